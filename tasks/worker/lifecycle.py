"""What happens when the worker's main process starts, and when a child does."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import signals
from redis.exceptions import RedisError

from pipeline.runtime import prewarm
from tasks import logs
from tasks.call import child
from tasks.encryption import Seal
from tasks.errors import InvalidSetting
from tasks.redis_client import connect_blocking
from tasks.settings import Settings
from tasks.tenants import key_source
from tasks.tenants.reader import agents as agents_of_tenants
from tasks.worker import lost_child, mapped_files
from tasks.worker.sidecars import inference, runtime_dir, turn_detector
from tasks.worker.tuning import death_signal, lsb_release, prefault

logger = logging.getLogger("switchboard.tasks.worker")


class _Worker:
    settings: Settings


@signals.worker_init.connect(weak=False)
def warm_up(**_: object) -> None:
    """Load what all calls share, before the first child is forked."""
    settings = _Worker.settings = Settings.read()
    # Celery does it later, and what is wrong with an agent would lose its reason.
    logs.set_up(settings.log_level)
    _for_livekit_agents(settings)
    lsb_release.answer_at_once()
    agents = {settings.agent} | _agents_of_tenants(settings)
    _import_key_source(settings)
    report = prewarm.in_parent(agents, extras=[extra.strip() for extra in settings.preload_extras.split(",")])
    for missing in report.missing:
        logger.error("an agent cannot be imported", extra={"reason": str(missing)})
    if report.threads:
        logger.warning("importing the agents started threads in the worker", extra={"threads": list(report.threads)})
    # As each call will, to open its provider's keys: what OpenSSL makes of a cipher it keeps.
    Seal(settings).close("", "")
    inference.start(agents)
    turn_detector.start()
    death_signal.install()
    prefault.share(runtime_dir.path() / "page-copies")
    mapped_files.let_go()


@signals.worker_shutdown.connect(weak=False)
def clean_up(**_: object) -> None:
    """The main process ends."""
    inference.stop()
    turn_detector.stop()
    runtime_dir.remove()


@signals.task_failure.connect(weak=False)
def lose_call_of_dead_child(exception: BaseException, kwargs: Mapping[str, Any], **_: object) -> None:
    """Celery tells the main process of a task whose child has died; a task that only failed has seen to itself."""
    if isinstance(exception, WorkerLostError):
        lost_child.report(kwargs["sid"], kwargs["attempt"], reason=str(exception), settings=_Worker.settings)


@signals.worker_process_init.connect(weak=False)
def warm_child(**_: object) -> None:
    """A fresh child gets ready for its call."""
    child.get_ready(_Worker.settings)


def _agents_of_tenants(settings: Settings) -> set[str]:
    # A connection that the children inherited would be one that two of them read from.
    with connect_blocking(settings) as client:
        try:
            return agents_of_tenants(client)
        except (RedisError, OSError) as error:
            logger.error(  # noqa: TRY400 - no trace
                "the tenants' agents are not known yet; each is imported in its first calls",
                extra={"error": type(error).__name__},
            )
            return set()


def _import_key_source(settings: Settings) -> None:
    try:
        key_source.preload(settings)
    except InvalidSetting as error:
        logger.error("keys cannot be read from their source", extra={"reason": str(error)})  # noqa: TRY400 - no trace


def _for_livekit_agents(settings: Settings) -> None:
    # livekit-agents' own worker exports these too: `ctx.api` and agents read them from the environment.
    os.environ["LIVEKIT_URL"] = settings.livekit_url
    os.environ["LIVEKIT_API_KEY"] = settings.livekit_api_key
    os.environ["LIVEKIT_API_SECRET"] = settings.livekit_api_secret.get_secret_value()
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "1")
    # livekit's client would write to stderr itself, past the log, while `pipeline.runtime.rtc_client` keeps it quiet.
    os.environ.setdefault("RUST_LOG", "off")
    # A call's share of numpy is too small for a thread for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
