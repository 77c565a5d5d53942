"""The console: a web app for operators, and the place that recordings of calls are uploaded to.

    uploads/       takes what agents upload: audio, transcripts, spans, log lines
    recordings/    recordings of calls: stored, found, played, deleted

Without the pages, `uploads` is a server of its own.
"""
