"""*Now*: the calls, the callers who wait, and the workers, live.

    live_view    one snapshot of Redis a second for all viewers, and the changes since the one before
    room_filter  the rooms that a viewer wants to see
    views        the parts of the page as HTML
    stream       the changes as server-sent events

While nobody looks, nothing is read. A row of the page is rendered when its room has changed, once for all viewers, and
each viewer is sent the rows that changed and that its filter lets through. Times that run on, run in the browser.
"""
