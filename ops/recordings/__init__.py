"""Recordings of calls: audio in an object store; transcripts, spans and log lines in the database.

    recordings      `Recordings`: what there is of a call, over all its attempts, and its audio
    results         the results of `Recordings`
    audio           `Audio`: the audio of an attempt as a stream, or a part of it, and as an HTTP response with ranges
    content         texts of the database, compressed, and encrypted if that is on
    store           `RecordingStore`: adds what was uploaded, each thing once
    deletion        `Deletion`: deletes what was recorded of a room, or what is older than a time
    tenant_keys     `TenantKeys`: the key of each tenant, encrypted with the installation's encryption keys
    ogg             the length of an OGG Opus file that passes by
    chunk_cipher    encryption of audio in chunks, so that a part of it can be read
    object_store    `ObjectStore`: a folder, or a bucket
    expiry          `Expiry`: deletes what its tenant does not keep any longer
    erasure         `Erasure`: erases a call everywhere but for the bare record
    requested_erasure  `RequestedErasure`: erases the calls that backends have asked to erase
    archive         `Archive`: all of these, opened together

# Use

    opened = Archive(settings, database, redis)
    found = await opened.recordings.call("RM_…", tenant="acme")     # None: nothing was recorded, of this tenant
    found.audio                  # of each attempt, with its offset in the call
    found.transcript             # each entry once, in the order of time
    found.attempts[0].missing    # ("audio",): recorded, and never uploaded
    return await opened.recordings.audio_response(request, "RM_…", attempt=1, tenant="acme")     # HTTP ranges

`tenant=None` is for operators. A room that is opened again goes on with its attempts, so one sid may be several calls:
`attempts=` names those of one. All raise what `tasks.records` raises where the database is away, and
`RecordingUnavailable` where the object store is. `open_uploads` of `ops.console.uploads.app` runs
`opened.maintain()` beside.

# What is said of an upload that did not come

The record of an attempt has a step `recording_<part>` for each part that was recorded. What is recorded and did not
arrive is `pending` until the time for uploads is over, and then `missing`: the child, or the console, was gone.
"""
