"""The Celery app of receivers, workers and Flower."""

from __future__ import annotations

from celery import Celery

from tasks.queue import celery_config, flower

app = Celery("switchboard")
app.add_defaults(celery_config.load)
flower.protect(app)
