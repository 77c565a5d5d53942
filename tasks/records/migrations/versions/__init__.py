"""The migrations, in the order of their numbers.

    v0001_calls        calls, attempts, usage, failures of providers, entries that could not be read
    v0002_recordings   recorded attempts, transcripts, spans, log lines, keys of tenants

The next one is `v0003_<its tables>`, with `revision = "0003"` and `down_revision = "0002"`. There is no way back down.
"""
