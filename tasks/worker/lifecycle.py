"""The life of a worker's main process and of its children, by Celery's signals."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import signals
from redis.exceptions import RedisError

from pipeline import providers
from pipeline.runtime import prewarm
from pipeline.runtime.inference_server import InferenceClient
from tasks import logs
from tasks.call import child
from tasks.call.drain import Drain
from tasks.encryption import Encryption
from tasks.errors import InvalidSetting
from tasks.queue.app import app
from tasks.redis_client import connect_blocking
from tasks.settings import Settings
from tasks.tenants import key_source
from tasks.tenants.reader import declared_agents
from tasks.tenants.record_signer import RecordSigner
from tasks.worker import death_signal, room_actions
from tasks.worker.sidecars.inference import inference
from tasks.worker.sidecars.sidecar import Sidecar
from tasks.worker.sidecars.turn_detector import turn_detector
from tasks.worker.tuning import lsb_release
from tasks.worker.tuning.prefault import Prefault

logger = logging.getLogger("switchboard.tasks.worker")


class WorkerProcess:
    """The main process of a worker: what it shares with its children, and the sidecars beside them.

    Made before the first fork, and kept on the app, where Celery's constructors find it: `app.switchboard`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.drain = Drain()
        self._runtime_dir = Path(tempfile.mkdtemp(prefix="switchboard-worker-"))
        """Sockets, the recorded pages and the shadow of a command. Only the worker's own user can read it."""
        self._prefault = Prefault(self._runtime_dir / "pages")
        self._inference_address: Path | None = None
        self._sidecars: list[Sidecar] = []

    def start(self) -> None:
        """Load what all calls share, and create the sidecars."""
        _export(self.settings)
        lsb_release.shadow(self._runtime_dir)
        agents = {self.settings.call.agent} | _agents_of_tenants(self.settings)
        _prewarm(agents, self.settings)
        death_signal.install()

        address = self._runtime_dir / "inference"
        if (served := inference(agents, address)) is not None:
            # Now, because loading its models takes a while. The turn detector's are loaded already.
            served.ensure_running()
            self._inference_address = address
            self._sidecars.append(served)
        if (detector := turn_detector(self._runtime_dir)) is not None:
            self._sidecars.append(detector)

    def ensure_sidecars_running(self) -> None:
        """Start the sidecars, and those again that have died."""
        for sidecar in self._sidecars:
            sidecar.ensure_running()

    def stop(self) -> None:
        """Stop the sidecars and remove the runtime directory."""
        for sidecar in self._sidecars:
            sidecar.stop()
        shutil.rmtree(self._runtime_dir, ignore_errors=True)

    def prewarm_child(self) -> None:
        """Get a fresh child ready for its call."""
        self._prefault.prefault()
        client = None if self._inference_address is None else InferenceClient(self._inference_address)
        child.prewarm(self.settings, self.drain, client)

    def record_pages(self) -> None:
        """Record the pages that a child has copied for its call, which is over."""
        if child.current().answered:
            self._prefault.record()


@signals.worker_init.connect(weak=False)
def start_worker(**_: object) -> None:
    """Load what all calls share, before the first child is forked."""
    try:
        settings = Settings.read()
    except InvalidSetting as error:
        # Celery would log any Exception of this handler, and start the worker.
        raise SystemExit(str(error)) from None
    # Celery does it later, and the reasons for which an agent cannot be imported would be lost.
    logs.set_up(settings.log.level)
    app.switchboard = WorkerProcess(settings)
    app.switchboard.start()


@signals.worker_shutdown.connect(weak=False)
def stop_worker(**_: object) -> None:
    """Stop the main process."""
    app.switchboard.stop()


@signals.task_failure.connect(weak=False)
def requeue_lost_call(exception: BaseException, kwargs: Mapping[str, Any], **_: object) -> None:
    """Queue a room again whose child has died; Celery sends this signal in the main process then.

    Any other exception comes from a child, where the attempt has handled it.
    """
    if isinstance(exception, WorkerLostError):
        settings = app.switchboard.settings
        room_actions.requeue_lost_call(kwargs["sid"], kwargs["attempt"], reason=str(exception), settings=settings)


@signals.worker_process_init.connect(weak=False)
def prewarm_child(**_: object) -> None:
    """Get a fresh child ready for its call."""
    app.switchboard.prewarm_child()


@signals.task_postrun.connect(weak=False)
def finish_child(**_: object) -> None:
    """Record what the next children can know before their calls."""
    app.switchboard.record_pages()


def _export(settings: Settings) -> None:
    # livekit-agents' own worker exports these too: `ctx.api` and agents read them from the environment.
    os.environ["LIVEKIT_URL"] = settings.livekit.url
    os.environ["LIVEKIT_API_KEY"] = settings.livekit.api_key
    os.environ["LIVEKIT_API_SECRET"] = settings.livekit.api_secret.get_secret_value()
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "1")
    # livekit's client would write to stderr itself, past the log, while `pipeline.runtime.rtc_client` has its log off.
    os.environ.setdefault("RUST_LOG", "off")
    # A call's share of numpy is too small for a thread for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _agents_of_tenants(settings: Settings) -> set[str]:
    # Closed before the first fork: two children would read from one inherited connection.
    with connect_blocking(settings.redis) as client:
        try:
            return declared_agents(client, RecordSigner(Encryption(settings)))
        except (RedisError, OSError) as error:
            logger.error(  # noqa: TRY400 - the reason is enough
                "the tenants' agents are not known yet; each is imported in its first calls",
                extra={"error": type(error).__name__},
            )
            return set()


def _prewarm(agents: set[str], settings: Settings) -> None:
    try:
        key_source.preload(settings)
    except InvalidSetting as error:
        logger.error("key source cannot be used", extra={"reason": str(error)})  # noqa: TRY400 - the reason is enough
    providers.preload(extra.strip() for extra in settings.worker.preload_extras.split(","))
    # Each call decrypts its provider's keys, and OpenSSL keeps what it makes of a cipher the first time.
    Encryption(settings).encrypt("", "")
    report = prewarm.prewarm_worker(agents)
    for missing in report.missing:
        logger.error("agent cannot be imported", extra={"reason": str(missing)})
    if report.threads:
        logger.warning("importing the agents has started threads in the worker", extra={"threads": report.threads})
