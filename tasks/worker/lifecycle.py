"""The life of a worker's main process and of its children, by Celery's signals."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import billiard
from celery import signals
from redis.exceptions import RedisError

from pipeline import providers
from pipeline.errors import PipelineError
from pipeline.runtime import prewarm
from pipeline.runtime.inference_server import InferenceClient
from tasks import logs, tracing
from tasks.call import child
from tasks.call.attempt import UPLOAD_ADDRESS
from tasks.call.drain import Drain
from tasks.call.scoreboard import Scoreboard
from tasks.encryption import Encryption
from tasks.errors import InvalidSetting, SwitchboardError
from tasks.queue.app import app
from tasks.redis_client import connect_blocking
from tasks.settings import Settings, cpu, warn_of_unknown_settings
from tasks.tenants import key_source
from tasks.tenants.reader import declared_agents, require_own_signatures
from tasks.tenants.record_signer import RecordSigner
from tasks.worker import death_signal
from tasks.worker.breaker import CircuitBreaker
from tasks.worker.pool.call_killer import CallKiller
from tasks.worker.presence.liveness import Liveness
from tasks.worker.presence.node_name import NodeNameTaken, require_free_name
from tasks.worker.sidecars.inference import inference
from tasks.worker.sidecars.janitor import SCOREBOARD
from tasks.worker.sidecars.sidecar import Sidecar
from tasks.worker.sidecars.turn_detector import turn_detector
from tasks.worker.start import command_line, runtime_dir, trial
from tasks.worker.start.prewarm_state import POLL_SECONDS, PrewarmState
from tasks.worker.start.runtime_dir import RuntimeDir
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
        self.breaker = CircuitBreaker()
        self.killer = CallKiller()
        self.liveness: Liveness
        """Made by `start`."""
        self.ignores_hangup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        """True if it was started so, by nohup: then its terminal may close."""
        self._runtime_dir = RuntimeDir.create()
        self._runtime_dir.use()
        self.scoreboard = Scoreboard(self.folder / SCOREBOARD)
        self._prefault = Prefault(self._runtime_dir.path / "pages")
        self.prewarm_state = PrewarmState(self._runtime_dir.path / "prewarm")
        self.forked_at = 0.0
        """The time at which the newest child was forked, which it inherits."""
        self._inference_address: Path | None = None
        self._sidecars: list[Sidecar] = []

    def start(self, node: str) -> None:
        """Load what all calls share, and create the sidecars.

        Raises NodeNameTaken, NoTenantSigned, AgentNotFound, TrialFailed or KeyRefused if it could answer no call.
        """
        with connect_blocking(self.settings.redis) as client:
            require_free_name(client, node)
        self.liveness = Liveness(self.folder, node)
        _export(self.settings)
        self._runtime_dir.watch()
        runtime_dir.remove_abandoned(self.folder.parent)
        lsb_release.shadow(self._runtime_dir.path)
        agents = {self.settings.call.agent} | _agents_of_tenants(self.settings)
        _prewarm(agents, self.settings)
        death_signal.install()

        address = self._runtime_dir.path / "inference"
        if (served := inference(agents, address, worker=node)) is not None:
            # Now, because loading its models takes a while. The turn detector's are loaded already.
            served.ensure_running()
            self._inference_address = address
            self._sidecars.append(served)
        if (detector := turn_detector(self._runtime_dir.path)) is not None:
            self._sidecars.append(detector)
        trial.run(self.settings, self._inference_client())

    def ensure_sidecars_running(self) -> None:
        """Start the sidecars, and those again that have died."""
        for sidecar in self._sidecars:
            sidecar.ensure_running()

    def stop(self) -> None:
        """Stop the sidecars and remove the runtime directory."""
        for sidecar in self._sidecars:
            sidecar.stop()
        self._runtime_dir.remove()

    @property
    def folder(self) -> Path:
        """The worker's own folder."""
        return self._runtime_dir.path

    @property
    def sidecar_pids(self) -> set[int]:
        """The process ids of the sidecars."""
        return {sidecar.pid for sidecar in self._sidecars if sidecar.pid is not None}

    def prewarm_child(self) -> None:
        """Get a fresh child ready for its call. One that cannot be ends after a pause, and another one tries."""
        logs.add_fields(process="child")
        self._runtime_dir.let_go()
        self._prefault.prefault()
        row = self.scoreboard.row(billiard.current_process().index)
        try:
            child.prewarm(self.settings, self.drain, row, self._inference_client())
        except BaseException as error:  # noqa: BLE001 - an agent may raise SystemExit too
            # Celery kills a child that is not up in time.
            pause = min(self.prewarm_state.fail(error), self.settings.call.prewarm_seconds / 2)
            deadline = time.monotonic() + pause
            while time.monotonic() < deadline and not self.drain.begun:
                time.sleep(POLL_SECONDS)
            os._exit(os.EX_OK)
        self.prewarm_state.succeed()
        # As on a quiet host: on a busy one no spare would help, because the gate is closed.
        row.note_start(time.monotonic() - self.forked_at - cpu.queued_seconds())

    def _inference_client(self) -> InferenceClient | None:
        return None if self._inference_address is None else InferenceClient(self._inference_address)

    def record_pages(self) -> None:
        """Record the pages that a child has copied for its call, which is over."""
        if child.current().answered:
            self._prefault.record()


@signals.worker_init.connect(weak=False)
def start_worker(sender: Any, **_: object) -> None:
    """Load what all calls share, before the first child is forked. Raises SystemExit with the reason if it cannot."""
    try:
        settings = Settings.read()
    except InvalidSetting as error:
        # Celery would log any Exception of this handler, and start the worker.
        raise SystemExit(str(error)) from None
    fields = {"version": metadata.version("livekit-switchboard"), "slots": sender.concurrency}
    logger.info("worker starts", extra=fields)
    if problem := tracing.unsupported():
        logger.warning("traces may not arrive", extra={"problem": problem})
    warn_of_unknown_settings(logger)
    if os.environ.get(UPLOAD_ADDRESS):
        problem = f"{UPLOAD_ADDRESS} has no effect: it is set for each call, to SWITCHBOARD_CONSOLE_URL"
        logger.warning("variable without effect", extra={"problem": problem})
    for option in command_line.without_effect():
        logger.warning("option without effect", extra={"option": option})
    process = app.switchboard = WorkerProcess(settings)
    try:
        process.start(sender.hostname)
    except (NodeNameTaken, PipelineError, SwitchboardError) as error:
        process.stop()
        raise SystemExit(str(error)) from None
    # Off since `tasks.celery.load_worker`.
    gc.enable()


@signals.worker_shutdown.connect(weak=False)
def stop_worker(**_: object) -> None:
    """Stop the main process."""
    app.switchboard.stop()


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
    """Return the agents that tenants name. Raises NoTenantSigned."""
    signer = RecordSigner(Encryption(settings))
    # Closed before the first fork: two children would read from one inherited connection.
    with connect_blocking(settings.redis) as client:
        try:
            require_own_signatures(client, signer)
            return declared_agents(client, signer)
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
        if missing.path == settings.call.agent:
            raise missing
        logger.error("agent cannot be imported", extra={"reason": str(missing)})
    for agent, options in report.without_effect.items():
        if options:
            fields = {"agent": agent, "options": "; ".join(options)}
            logger.warning("options of the agent's server without effect", extra=fields)
    if report.threads:
        logger.warning("importing the agents has started threads in the worker", extra={"threads": report.threads})
