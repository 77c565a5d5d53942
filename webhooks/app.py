"""The ASGI app: `uvicorn --factory webhooks.app:create_app`."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tasks import logs
from tasks.dispatch import Dispatcher
from tasks.reconcile import Reconciler
from tasks.settings import Settings
from webhooks import health, receive
from webhooks.metrics import Metrics


def create_app(
    settings: Settings | None = None,
    *,
    connect: Callable[[Settings], receive.Dispatches] = Dispatcher.from_settings,
) -> FastAPI:
    """Return the receiver.

    Without `settings` they come from the environment, and the process is the receiver's own: its logging and its
    garbage collector are set up, and it is a candidate for the reconciler. `connect` makes the dispatcher when the app
    starts; it is closed after the last answer.

    Raises InvalidSetting.
    """
    chosen = settings
    if chosen is None:
        chosen = Settings.read()
        logs.set_up(chosen.log_level)
        # Looking through all that was imported takes 40 ms, a few times in the first seconds: a p99 of 22 ms, not 5.
        gc.collect()
        gc.freeze()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        dispatcher = connect(chosen)
        app.state.receiver = receive.Receiver(
            dispatcher=dispatcher,
            metrics=Metrics(),
            keys=chosen.signing_keys,
            max_bytes=chosen.webhook_max_bytes,
        )
        reconciler = Reconciler.from_settings(chosen, dispatcher) if settings is None else None
        reconciling = asyncio.create_task(reconciler.run()) if reconciler else None
        try:
            yield
        finally:
            if reconciler and reconciling:
                reconciler.stop()
                await reconciling
                await reconciler.aclose()
            await dispatcher.aclose()

    # An address that the internet may reach has nothing to tell about itself.
    app = FastAPI(title="switchboard", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(receive.router)
    app.include_router(health.router)
    return app
