"""The migrations, in the order of their numbers.

    v0001_calls        calls, attempts, usage, failures of providers, entries that could not be read
    v0002_recordings   recorded attempts, transcripts, spans, log lines, keys of tenants
    v0003_audit        what operators did, saw and heard

The next one is `v0004_<its tables>`, with `revision = "0004"` and `down_revision = "0003"`. There is no way back down.
"""
