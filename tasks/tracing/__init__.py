"""Tracing: one trace for each call, over receivers, queue and attempts, exported with OpenTelemetry's OTLP.

    traceparent    the context of a span, as W3C's header `traceparent` has it
    spans          spans around the work of this process, and the one that is current
    export         the export of this process' spans, by OpenTelemetry's own variables
    sdk            OpenTelemetry's SDK, set up for one process, and what is left out of spans

Shape of a trace
----------------

    POST /livekit/webhook, POST /calls or POST /twilio/incoming    receiver; its parent is the sender's, if it has one
        dispatch                                                   receiver
            wait, queue                                            child of the next attempt, when it has claimed
            attempt 1 … n                                          child; each links the one before
                claim, prepare, join
                job_entrypoint, with turns, STT, LLM, TTS, tools   livekit-agents' own

The room's hash has the context of the dispatch, so that all attempts belong to it, and so has the Celery message. The
id of an attempt's span follows from trace, sid and attempt: the next attempt knows it, and if the process of the one
before has died with it, the next one writes it.

A receiver imports OpenTelemetry only if it exports: without its variables there is no thread and no cost. A worker's
main process never exports, because it forks, and a fork copies the locks of a thread but not the thread.
"""

from tasks.tracing.export import start, started, unsupported
from tasks.tracing.spans import OpenSpan, current, keep_current, set_current, span
from tasks.tracing.traceparent import TraceParent

__all__ = [
    "OpenSpan",
    "TraceParent",
    "current",
    "keep_current",
    "set_current",
    "span",
    "start",
    "started",
    "unsupported",
]
