"""What agents upload of their calls: livekit-agents' own protocol, which LiveKit Cloud has on the other side elsewhere.

    app           `create_app`, for a server of its own, and `open_uploads` for the console's app
    endpoint      `Uploads`: the four routes
    session       the upload at the end of a session: header, transcript, audio
    otlp          traces and log lines, as OTLP has them
    privacy       spans without what was said, for other services
    forwarder     `Forwarder`: passes traces on to another service
    admission     `Admission`: whose an upload is, and what of it is to be kept
    access_token  the token of an upload
    body          bodies, with limits of size and time
    multipart     the parts of a multipart body, as they arrive
    errors        the reasons for which an upload is refused, and what the sender is told

# Protocol

    POST /observability/recordings/v0     multipart: `header`, then `chat_history`, then `audio`; once, at the end
    POST /observability/traces/otlp/v0    OTLP, gzip: every few seconds, and at the end
    POST /observability/logs/otlp/v0      the same
    POST /observability/metrics/otlp/v0   the same; accepted, and not kept: the transcript has the metrics of each turn

The sender is a child that has the API key of the LiveKit server: it signs a token that grants writing to these alone. A
caller's token opens none of them. Room and job are in each upload: the job's id is `<sid>:<attempt>`. The room has to
be one of ours, and its tenant has to have `record`, of which only the parts that it names are kept.

# What the sender does with an answer

    200                     it is stored, or is not to be: a repeated one, an erased call
    401 "data recording …"  livekit-agents sends nothing more of this call, and logs no error
    400, 403, 404, 413      it is dropped there
    503 with `RetryInfo`    tried again: a recording three times, spans and log lines for 10 s

# Memory

Audio is never there as a whole: a part of it waits until the one before it is in the object store, and the sender
waits, too. An OTLP body has a limit before and after it is decompressed. A sender that sends nothing for 30 s is cut
off, and nothing is kept of its audio.
"""
