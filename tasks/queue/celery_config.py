"""Celery's configuration, and the reason for each value. Celery calls `load` when it first needs one."""

from __future__ import annotations

from typing import Any

from kombu import Queue
from kombu.transport.redis import SentinelChannel

from tasks.redis_client import sentinel_options
from tasks.redis_client.failover import CelerysMasterConnection, CelerysTlsMasterConnection
from tasks.settings import CallSettings, RedisSettings, TierSettings, WorkerSettings, check_celery_settings


def load() -> dict[str, Any]:
    """Return Celery's configuration for this installation. Raises InvalidSettings."""
    check_celery_settings()
    tiers, worker, call = TierSettings.read(), WorkerSettings.read(), CallSettings.read()
    return {
        **broker(),
        # Kombu keeps no second copy of a message that was taken. It would restore it after a while, also when its room
        # is over. The reconciler requeues what is lost, and it knows the rooms.
        "task_queues": [Queue(name, routing_key=name, no_ack=True) for name in tiers.queue_names],
        "task_default_queue": tiers.queue_names[-1],
        "task_create_missing_queues": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_track_started": False,
        "task_acks_late": False,
        "task_send_sent_event": False,
        "worker_send_task_events": True,
        "worker_consumer": "tasks.worker.consumer:PatientConsumer",
        "worker_pool": "tasks.worker.pool.one_shot_pool:OneShotPool",
        "worker_concurrency": worker.slot_limit,
        "worker_max_tasks_per_child": 1,
        # No prefetch of Celery's own: the intake gate decides, task by task.
        "worker_prefetch_multiplier": 0,
        "worker_proc_alive_timeout": call.prewarm_seconds,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_enable_remote_control": True,
    }


def broker() -> dict[str, Any]:
    """Return the part of the configuration that is about Redis, for every Celery app. Raises InvalidSettings."""
    redis = RedisSettings.read()
    return {
        "broker_url": redis.server.broker_url(),
        "broker_use_ssl": False if redis.server.tls is None else redis.server.tls.options(),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            # `-Q premium,standard` is strict; kombu's default alternates between the queues.
            "queue_order_strategy": "priority",
            # Messages have no priority; kombu would look for each in four lists.
            "priority_steps": [0],
            # A Redis that stopped answering is noticed in seconds, not when TCP gives up.
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,
            **_sentinel_options(redis),
        },
    }


def _sentinel_options(redis: RedisSettings) -> dict[str, Any]:
    if not redis.server.sentinels:
        return {}
    # kombu has no option for it.
    SentinelChannel.connection_class = CelerysMasterConnection
    SentinelChannel.connection_class_ssl = CelerysTlsMasterConnection
    return {"master_name": redis.sentinel_master, "sentinel_kwargs": sentinel_options(redis)}
