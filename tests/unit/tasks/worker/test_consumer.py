"""The consumer's events of tasks, in a real event loop of kombu's."""

from __future__ import annotations

import os
from types import SimpleNamespace

from kombu.asynchronous.hub import Hub

from tasks.worker.consumer import PatientConsumer


def consumer_of(hub: Hub, done: list[str]) -> PatientConsumer:
    consumer = PatientConsumer.__new__(PatientConsumer)
    consumer.hub = hub
    consumer.event_dispatcher = SimpleNamespace(flush=lambda **_: done.append("events published"))
    return consumer


def test_a_task_is_sent_to_its_child_before_its_events_are_published() -> None:
    done: list[str] = []
    hub = Hub()
    reading, writing = os.pipe()

    def send() -> None:
        done.append("task sent")
        hub.remove(writing)

    loop = hub.create_loop()
    consumer_of(hub, done).on_send_event_buffered()
    hub.add_writer(writing, send)
    while "events published" not in done:
        next(loop)
    assert done == ["task sent", "events published"]
    for end in (reading, writing):
        os.close(end)
    hub.close()


def test_a_worker_that_stops_publishes_its_last_events() -> None:
    done: list[str] = []
    consumer = consumer_of(Hub(), done)
    consumer.blueprint = SimpleNamespace(shutdown=lambda _: done.append("stopped"))
    consumer._pending_operations = []
    consumer.on_send_event_buffered()
    consumer.shutdown()
    assert done == ["events published", "stopped"]
