"""Flower's options for this installation, however it is started: with a password, on this host, and read-only.

Flower itself listens on all addresses, and asks nobody. These are defaults: FLOWER_ADDRESS, FLOWER_PORT and each other
option of Flower's, in the environment, on the command line or in a file (`--conf`), come after them. A Flower that asks
nobody does not start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from celery import signals

from tasks.errors import InvalidSettings
from tasks.settings import FlowerSettings

if TYPE_CHECKING:
    from celery import Celery

COMMAND = "flower"

OPTIONS: dict[str, Any] = {
    "address": "127.0.0.1",
    # Revoking a task or shutting a worker down there would bypass the state of rooms.
    "read_only": True,
    # It shows what has happened since its own start.
    "persistent": False,
    "max_tasks": 10_000,
    # In seconds, after which a worker that is gone leaves the list.
    "purge_offline_workers": 600,
    # `kwargs` has the room, tenant and tier of a call.
    "tasks_columns": "uuid,kwargs,state,worker,received,started,runtime",
}


OPEN = (
    "Flower shows rooms and tenants, so it does not start without a password: set SWITCHBOARD_FLOWER_PASSWORD or "
    "SWITCHBOARD_FLOWER_PASSWORD_FILE."
)


def protect(app: Celery) -> None:
    """Set Flower's options where this process is Flower's, and have it refuse to start without a password.

    Called when the app is imported: before Flower reads its own options.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.invoked_subcommand == COMMAND:
        set_options()
    # Sent when Flower has read all of its options and does not listen yet.
    signals.import_modules.connect(require_password, sender=app, weak=False)


def set_options() -> None:
    """Set the defaults of Flower's options. Raises SystemExit if a setting is not usable."""
    from flower.options import options  # noqa: PLC0415 - receivers and workers have no use for it

    try:
        settings = FlowerSettings.read()
    except InvalidSettings as error:
        raise SystemExit(str(error)) from None
    for name, value in OPTIONS.items():
        setattr(options, name, value)
    if settings.password is not None:
        options.basic_auth = [f"{settings.user}:{settings.password.get_secret_value()}"]
    if settings.cookie_secret is not None:
        options.cookie_secret = settings.cookie_secret.get_secret_value()


def require_password(**_: object) -> None:
    """Raise SystemExit if this process is Flower's, and it would ask nobody."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != COMMAND:
        return
    from flower.options import options  # noqa: PLC0415 - see above

    if not options.auth and not _are_passwords(options.basic_auth):
        raise SystemExit(OPEN)


def _are_passwords(credentials: list[str]) -> bool:
    """Tell whether each is a user and a password; Flower accepts any one of them."""
    return bool(credentials) and all(all(each.partition(":")[::2]) for each in credentials)
