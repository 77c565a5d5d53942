"""The ASGI app of the receiver: `uvicorn --factory webhooks.app:create_app`."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from tasks import logs, tracing
from tasks.errors import InvalidSetting
from tasks.queue.dispatcher import Dispatcher, Dispatching
from tasks.reconcile import Reconciler
from tasks.settings import Settings, warn_of_unknown_settings
from webhooks import api, calls, erasure, health, livekit, twilio
from webhooks.authentication import Authentication, configured_keys
from webhooks.body import BodyReader
from webhooks.call_creator import CallCreator
from webhooks.call_rates import CallRates
from webhooks.key_check import check_key
from webhooks.metrics import Metrics
from webhooks.openapi import DocumentedApp

if TYPE_CHECKING:
    from tasks.tracing.sdk import Tracing

logger = logging.getLogger("switchboard.webhooks")


def create_app(
    settings: Settings | None = None,
    *,
    connect: Callable[[Settings], Dispatching] | None = None,
) -> FastAPI:
    """Return the receiver's ASGI app.

    Without `settings` the whole process is the receiver: settings are read from the environment, logging and the
    garbage collector are set up, and the process is a candidate for leader of the reconcilers. `connect` creates
    another dispatcher when the app starts; it is closed after the last response.

    Raises InvalidSetting; as the whole process SystemExit with a line for each problem, where uvicorn would print a
    traceback.
    """
    chosen = settings
    if chosen is None:
        chosen = _read_settings()
        logs.set_up(chosen.log.level, process="receiver")
        warn_of_unknown_settings(logger)
        # Without freezing, a collection goes through everything imported. It takes 40 ms, a few times in the first
        # seconds: a p99 of 22 ms instead of 5.
        gc.collect()
        gc.freeze()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            exported = _start_tracing() if settings is None else None
            if exported is not None:
                closing.push_async_callback(asyncio.to_thread, exported.flush)
            metrics = Metrics()
            dispatcher = (
                Dispatcher.from_settings(chosen, observe=metrics.observe_redis) if connect is None else connect(chosen)
            )
            closing.push_async_callback(dispatcher.aclose)
            creator = CallCreator.from_settings(chosen, dispatcher)
            closing.push_async_callback(creator.aclose)
            app.state.webhook_endpoint = livekit.WebhookEndpoint(
                dispatcher=dispatcher,
                metrics=metrics,
                keys=chosen.livekit.signing_keys,
                bodies=BodyReader(chosen.receiver.webhook_max_bytes, most_at_once=livekit.MOST_BODIES),
            )
            app.state.authentication = authentication = Authentication.from_settings(chosen)
            closing.push_async_callback(authentication.aclose)
            rates = CallRates(per_second=chosen.receiver.calls_per_second, burst=chosen.receiver.calls_burst)
            app.state.calls_endpoint = calls.CallsEndpoint.from_settings(
                chosen, authentication, creator, dispatcher, metrics, rates
            )
            app.state.twilio_endpoint = twilio.TwilioEndpoint.from_settings(chosen, creator, dispatcher, metrics, rates)
            app.state.api_endpoint = await closing.enter_async_context(api.ApiEndpoint.from_settings(chosen, metrics))
            reconciler = Reconciler.from_settings(chosen, dispatcher) if settings is None else None
            reconciling = asyncio.create_task(reconciler.run()) if reconciler else None
            if reconciler:
                metrics.watch(reconciler)
            checking = asyncio.create_task(check_key(chosen.livekit)) if settings is None else None
            try:
                yield
            finally:
                if checking:
                    checking.cancel()
                    await asyncio.wait({checking})
                if reconciler and reconciling:
                    reconciler.stop()
                    await reconciling
                    await reconciler.aclose()

    # The receiver may be reachable from the internet, so it publishes its API document only on request.
    app = DocumentedApp(docs=chosen.receiver.api_docs, lifespan=lifespan)
    app.include_router(calls.router)
    app.include_router(api.router)
    app.include_router(erasure.router)
    app.include_router(twilio.router)
    app.include_router(livekit.router, include_in_schema=False)
    app.include_router(health.router, include_in_schema=False)
    return app


def _start_tracing() -> Tracing | None:
    # Here and not above: this process may fork before its event loop runs, as `uvicorn --workers` does.
    if problem := tracing.unsupported():
        logger.warning("traces may not arrive", extra={"problem": problem})
    return tracing.start("switchboard-receiver")


def _read_settings() -> Settings:
    try:
        settings = Settings.read()
        configured_keys(settings)
        twilio.check(settings)
    except InvalidSetting as error:
        raise SystemExit(str(error)) from None
    return settings
