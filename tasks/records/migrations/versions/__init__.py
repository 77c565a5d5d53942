"""The migrations, in the order of their numbers.

    v0001_calls   calls, attempts, usage, failures of providers, entries that could not be read

The next one is `v0002_<its tables>`, with `revision = "0002"` and `down_revision = "0001"`. There is no way back down.
"""
