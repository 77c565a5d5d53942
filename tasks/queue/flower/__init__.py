"""Flower, the dashboard, as this installation starts it.

    options        defaults of Flower's options, and what they must have before it listens
    login          the login of `/metrics` and `/healthcheck`, which Flower itself leaves open
    row            the row of a task in Flower's list
    history        the tasks that Flower knows: the file in which they outlive it
    unheard_ends   tasks whose end Flower has not heard: of killed workers, and from while it was away

Only Flower's own process imports more than `options`: receivers and workers have no use for it.
"""

from __future__ import annotations

from tasks.queue.flower.options import protect

__all__ = ["protect"]
