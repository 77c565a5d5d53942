"""The receiver: LiveKit's signed webhooks in, rooms for the dispatcher out; and calls that are asked for.

How a call travels through this package
---------------------------------------

    receive      POST /livekit/webhook: a room that LiveKit announces (body, signature, events)
    calls        POST /calls: a call that a company's backend asks for (call_bodies, api_keys, caller_token)
    twilio       POST /twilio/incoming: a call to a telephone number (twilio_signature, twiml)
    call_maker   what the latter two have in common: a room that is made, opened, and made once (rooms, idempotency)
    problems     how they refuse; openapi describes them
    health, metrics

What a delivery from livekit-server guarantees
----------------------------------------------

- The server keeps its events in memory. What it gives up on, or holds while it dies, is gone.
- Events of one room come one after the other: the next is sent when this one is answered. The server has no time limit
  of its own, so **a slow answer holds up everything that happens later in that room**, its room_finished included.
- An event that had to wait for more than 30 s behind others of its room is dropped before its first try.
- A connection error, 429 or 5xx is tried again, five tries in all, 1, 2, 4 and 8 s apart: about 15 s in which Redis may
  be away. A `Retry-After` on a 429 or 503 takes the place of that pause, so a constant 1 would leave Redis only 4 s.
- **Any other 4xx counts as delivered.** Nobody tries again and nobody is told.
- The same event may come twice, and a restarted server announces the same room again with a new event id. So the room's
  sid is the key, never the event's id.
- Each try of an event carries the same token: valid for 5 minutes, with the SHA-256 of the body as a claim. Whoever
  replays a delivery within that time repeats it word for word, which changes nothing, as opening a room is idempotent.

What is answered, and why
-------------------------

200  The event is done with: a call is queued, was known already, is over, or the event is none of ours. Also when the
     room could not be dispatched for good (no such tenant) and is now a dead letter: a retry would end the same way.
400  The sender is LiveKit (the signature was right) but the event cannot be understood, nor could it at a second try.
401  The sender cannot be shown to be LiveKit. Checked before anything in the body is looked at.
413  The body is over the limit. No event comes near it; reading stops there.
503  Not now: Redis is away or did not answer within its deadline. The only refusal that must be tried again.
     Its `Retry-After` grows with the event's age and so keeps to 1, 2, 4, 8 s.
500  A bug. The server tries again, which is right: what is not understood should not be dropped.

room_started opens a room. So does participant_joined for anybody who could be a caller: it costs one idempotent call,
and makes up for a room_started that was lost. room_finished closes the room. Anything else is counted and dropped.
"""
