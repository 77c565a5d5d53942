"""The options of `celery worker`: those that do not go with answering calls are refused, with the reason.

-n, -c, -Q, -X    obeyed: the node's name, the slots, the queues
REFUSED           would end calls, start them in a wrong process, or take them from other workers
WITHOUT_EFFECT    named in the log, because a setting is in their place
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import click
from click.core import ParameterSource

from tasks.settings import TierSettings
from tasks.settings.capacity import MOST_SLOTS
from tasks.worker.pool.one_shot_pool import OneShotPool

REFUSED: Mapping[str, str] = {
    "autoscale": "--autoscale: the load decides how many calls a worker takes; -c sets the most",
    "beat": "-B: nothing here has a schedule, and the scheduler would be a thread in a process that forks",
    "time_limit": "--time-limit: it would cut calls off; SWITCHBOARD_MAX_CALL_SECONDS is their longest",
    "soft_time_limit": "--soft-time-limit: it would cut calls off; SWITCHBOARD_MAX_CALL_SECONDS is their longest",
    "purge": "--purge: the messages in the queues are callers who wait",
}
"""Options that are refused in any use, by Celery's names of them."""

CONFIGURED: Mapping[str, tuple[object, str]] = {
    "worker_max_tasks_per_child": (1, "--max-tasks-per-child: a child answers one call, and ends with it"),
    "worker_prefetch_multiplier": (0, "--prefetch-multiplier: a call that waits behind another one is not answered"),
    "worker_disable_prefetch": (False, "--disable-prefetch: nothing is prefetched; the intake gate decides"),
    "worker_pool_start_method": ("fork", "--pool-start-method: children share the models of their worker by a fork"),
}
"""Options that have one value only, by the names of Celery's configuration."""

WITHOUT_EFFECT: Mapping[str, str] = {
    "loglevel": "--loglevel: set SWITCHBOARD_LOG_LEVEL",
    "logfile": "--logfile: the log goes to stderr",
    "max_memory_per_child": "--max-memory-per-child: a child ends after its call",
    "statedb": "--statedb: no task is revoked here",
}


def problems(options: Mapping[str, Any], conf: Any, tiers: TierSettings) -> list[str]:
    """Return a sentence for each option that a worker cannot start with.

    `options`: those of the command, by Celery's names. `conf`: Celery's configuration, which options change too.
    """
    return [
        *_pool(options.get("pool")),
        *_slots(options.get("concurrency")),
        *(sentence for name, sentence in REFUSED.items() if options.get(name)),
        *_configured(options, conf),
        *_queues("-Q", options.get("queues"), [queue.name for queue in conf.task_queues], tiers),
        *_queues("-X", options.get("exclude_queues"), [queue.name for queue in conf.task_queues], tiers),
    ]


def without_effect() -> list[str]:
    """Return the options of the running command that have no effect, each with the cure."""
    context = click.get_current_context(silent=True)
    if context is None:
        return []
    given = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
    return [sentence for name, sentence in WITHOUT_EFFECT.items() if context.get_parameter_source(name) in given]


def _pool(pool: object) -> Iterator[str]:
    if pool not in {None, "", OneShotPool, "tasks.worker.pool.one_shot_pool:OneShotPool"}:
        yield "-P: each call needs a process of its own, which Switchboard's pool has; leave the option out"


def _slots(given: object) -> Iterator[str]:
    if isinstance(given, int) and not 0 < given <= MOST_SLOTS:
        yield f"-c: a worker has 1 to {MOST_SLOTS} slots"


def _configured(options: Mapping[str, Any], conf: Any) -> Iterator[str]:
    for name, (value, sentence) in CONFIGURED.items():
        given = options.get(name.removeprefix("worker_"))
        # An option that was not given is None, or what the configuration has.
        if given not in {None, value} or conf.get(name, value) not in {None, value}:
            yield sentence


def _queues(option: str, given: object, known: Collection[str], tiers: TierSettings) -> Iterator[str]:
    names = given.split(",") if isinstance(given, str) else given
    for name in names if isinstance(names, Collection) else []:
        if name in known:
            continue
        if name in tiers.queues:
            hint = f"the queue of the tier {name} is {tiers.queues[name]}"
        else:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"the known queues are {', '.join(known)}" + (f"; did you mean {nearest[0]}?" if nearest else "")
        yield f"{option}: there is no queue {name!r}; {hint}"
