"""The Celery app of background workers, and its configuration.

A task here is never sent for later: Celery would hold it in a worker's memory, kombu would send it again every hour,
and a restart could lose it. What has to wait waits in Redis (`notices`), and its task is sent when it is due.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Queue

from tasks.queue import celery_config
from tasks.settings import NoticeSettings
from tasks.settings.groups import BACKGROUND_QUEUE

VISIBILITY_SECONDS = 300
"""The time after which kombu sends a message again that its worker has taken and not begun. That changes nothing: each
try is begun once."""


def load() -> dict[str, Any]:
    """Return Celery's configuration. Raises InvalidSettings."""
    configuration = celery_config.broker()
    configuration["broker_transport_options"] |= {
        "visibility_timeout": VISIBILITY_SECONDS,
        # The workers of calls keep none, and must not send these.
        "unacked_key": "unacked_background",
        "unacked_index_key": "unacked_background_index",
        "unacked_mutex_key": "unacked_background_mutex",
    }
    return {
        **configuration,
        "task_queues": [Queue(BACKGROUND_QUEUE, routing_key=BACKGROUND_QUEUE)],
        "task_default_queue": BACKGROUND_QUEUE,
        "task_default_routing_key": BACKGROUND_QUEUE,
        "task_create_missing_queues": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_publish_retry": False,
        # A task waits for others' servers nearly all of its time. And threads need no fork: there is an event loop.
        "worker_pool": "threads",
        "worker_concurrency": NoticeSettings.read().threads,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Flower and `switchboard drain` are about the workers of calls.
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


# The messages of calls are made with the app of `tasks.queue`, which stays the current one.
app = Celery("switchboard-background", set_as_current=False)
app.add_defaults(load)
