"""The receiver: a stateless ASGI app that dispatches LiveKit's rooms, creates calls on request, and reconciles.

Modules
-------

    app                create_app: the endpoints together, the connections, the reconciler
    livekit            POST /livekit/webhook: a room that LiveKit announces
    events             the content of a webhook: the few fields that decide about a call
    signature          the signature of a webhook
    calls              POST /calls: a backend asks for a call
    api                the API of backends: calls, one call and its end, usage, concurrency
    erasure            POST /calls/{sid}/erasure: a backend asks to erase what is kept of a call
    api_schemas        its queries and responses
    api_views          its responses, made of what Redis and the database have
    conditional        responses with an ETag
    schemas            the bodies of POST /calls: CallRequest and CallResponse
    call_rates         token buckets: calls a second for each API key and each tenant
    authentication     the API key of a backend, and the scope that its request needs
    caller_token       the token with which the caller joins the room
    twilio             POST /twilio/incoming and /twilio/dialled: a call to a telephone number, and its end
    twilio_accounts    Twilio's accounts, their auth tokens, and their tenants
    twilio_signature   the signature of Twilio's requests
    twiml              the instructions that Twilio gets
    call_creator       creates the room of a call and dispatches it; used by calls and twilio
    request_context    the id and the trace of a request, for its log lines, its response and its call
    body               the raw body of a request, up to limits of length, time and number
    problems           the refusals of backends' and Twilio's requests, as RFC 9457 problems
    errors             the rejections of a webhook
    rejection_log      the log of rejected webhooks, a line for each kind in a while
    key_check          a check at the start: the LiveKit server accepts our API key
    metrics            the counters of this process
    health             GET /healthz, /readyz and /metrics
    openapi            the OpenAPI document of what backends and Twilio request

How livekit-server delivers webhooks
------------------------------------

- The server keeps its events in memory. An event that it gives up on, or that it holds when it dies, is lost.
- Events of one room are sent one after the other: the next is sent when this one is answered. The server has no
  timeout of its own, so **a slow answer delays all later events of that room**, its room_finished included.
- An event that has waited for more than 30 s behind others of its room is dropped before its first try.
- A connection error, 429 or 5xx is retried: five tries in all, 1, 2, 4 and 8 s apart, so Redis may be away for about
  15 s. A `Retry-After` on a 429 or 503 replaces that pause: a constant 1 would leave Redis only 4 s.
- **Any other 4xx counts as delivered.** It is not retried, and nothing reports it.
- The same event may arrive twice, and a restarted server announces the same room again with a new event id. So rooms
  are identified by their sid, never by an event's id.
- All tries of an event carry the same token: valid for 5 minutes, with the SHA-256 of the body as a claim. So an
  attacker can only replay a delivery unchanged, within that time, which has no effect: opening a room is idempotent.

Answers to a webhook
--------------------

200  The event is handled: a call is queued, was known already, is over, or the event does not concern calls. Also when
     the room can never be dispatched (no such tenant) and is now a dead letter: a retry would end the same way.
400  The signature is valid, so the sender is LiveKit, but the event cannot be parsed. A retry could not change that.
401  The token is missing or invalid, which is known before the body is read; or it was signed for another body.
413  The body is over the limit. No event comes near it; reading stops there.
503  Redis is away or did not answer within its deadline, which has to be retried: its `Retry-After` grows with the
     event's age, which keeps the pauses at 1, 2, 4, 8 s. Or the body did not come within 5 s.
500  A bug. The server retries, which is right: an event that was not handled should not be dropped.

room_started opens a room. So does participant_joined if the participant is a caller: it costs one idempotent action,
and makes up for a lost room_started. room_finished closes the room. Other events are counted and ignored.
"""
