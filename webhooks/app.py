"""The ASGI app: `uvicorn --factory webhooks.app:create_app`."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from tasks import logs
from tasks.queue.dispatcher import Dispatcher
from tasks.reconcile import Reconciler
from tasks.settings import Settings
from webhooks import calls, health, livekit, twilio
from webhooks.call_creator import CallMaker
from webhooks.metrics import Metrics
from webhooks.openapi import DescribedApp


def create_app(
    settings: Settings | None = None,
    *,
    connect: Callable[[Settings], livekit.Dispatches] = Dispatcher.from_settings,
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
        async with AsyncExitStack() as closing:
            dispatcher = connect(chosen)
            closing.push_async_callback(dispatcher.aclose)
            maker = CallMaker.from_settings(chosen, dispatcher)
            closing.push_async_callback(maker.aclose)
            metrics = Metrics()
            app.state.receiver = livekit.Receiver(
                dispatcher=dispatcher,
                metrics=metrics,
                keys=chosen.signing_keys,
                max_bytes=chosen.webhook_max_bytes,
            )
            app.state.desk = calls.Desk.from_settings(chosen, maker, dispatcher, metrics)
            app.state.telephone = twilio.TelephoneDesk.from_settings(chosen, maker, dispatcher, metrics)
            reconciler = Reconciler.from_settings(chosen, dispatcher) if settings is None else None
            reconciling = asyncio.create_task(reconciler.run()) if reconciler else None
            try:
                yield
            finally:
                if reconciler and reconciling:
                    reconciler.stop()
                    await reconciling
                    await reconciler.aclose()

    # An address that the internet may reach has nothing to tell about itself, unless it is asked to.
    app = DescribedApp(docs=chosen.api_docs, lifespan=lifespan)
    app.include_router(calls.router)
    app.include_router(twilio.router)
    app.include_router(livekit.router, include_in_schema=False)
    app.include_router(health.router, include_in_schema=False)
    return app
