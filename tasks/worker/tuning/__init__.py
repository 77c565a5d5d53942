"""Tuning: a faster first word and smaller children, at the cost of code. Calls work without any of it.

    prefault       copies the pages that a call is going to write to, while the child is idle
    madvise        the kernel's madvise, for ranges of memory
    lsb_release    saves livekit's client from running `lsb_release` in each call

Only `tasks.worker.lifecycle` imports it.
"""
