"""Flower's options for this installation, however it is started: with a login, on this host, and read-only.

Flower itself listens on all addresses, and asks nobody. These are defaults: FLOWER_ADDRESS, FLOWER_PORT and each other
option of Flower's, in the environment, on the command line or in a file (`--conf`), come after them. A Flower that asks
nobody does not start, nor does one whose single sign-on or file could not work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from celery import signals

from tasks import logs
from tasks.errors import InvalidSettings
from tasks.settings import FlowerSettings, LogSettings

if TYPE_CHECKING:
    from celery import Celery

COMMAND = "flower"

OPTIONS: dict[str, Any] = {
    # Tornado's own format. Ours is set up in its stead.
    "logging": "none",
    "address": "127.0.0.1",
    # Revoking a task or shutting a worker down there would bypass the state of rooms.
    "read_only": True,
    "max_tasks": 10_000,
    # Where its tasks are kept over a restart (`persistent`), in milliseconds: so much is lost when it is killed.
    "state_save_interval": 60_000,
    # In seconds, after which a worker that is gone leaves the list.
    "purge_offline_workers": 600,
    # `args` is the room, `kwargs` has the tenant, tier and attempt, `result` the outcome; `uuid` is the sid and the
    # attempt. The first five are in view on a narrow screen.
    "tasks_columns": "args,kwargs,state,result,worker,runtime,received,uuid",
    # Calls last minutes. Flower's own end at 10 s.
    "task_runtime_metric_buckets": [5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0],
}

OPEN = (
    "Flower shows rooms and tenants, so it does not start without a password: set SWITCHBOARD_FLOWER_PASSWORD or "
    "SWITCHBOARD_FLOWER_PASSWORD_FILE."
)
SINGLE_SIGN_ON = {
    "auth_provider": "FLOWER_AUTH_PROVIDER",
    "oauth2_key": "FLOWER_OAUTH2_KEY",
    "oauth2_secret": "SWITCHBOARD_FLOWER_CLIENT_SECRET or SWITCHBOARD_FLOWER_CLIENT_SECRET_FILE",
    "oauth2_redirect_uri": "FLOWER_OAUTH2_REDIRECT_URI",
}
"""The options beside `auth` without which nobody could log in, and their variables."""


def protect(app: Celery) -> None:
    """Set Flower's options where this process is Flower's, and have it refuse to start without a login.

    Called when the app is imported: before Flower reads its own options.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.invoked_subcommand == COMMAND:
        set_options()
    # Sent when Flower has read all of its options and does not listen yet.
    signals.import_modules.connect(prepare, sender=app, weak=False)


def set_options() -> None:
    """Set the defaults of Flower's options. Raises SystemExit if a setting is not usable."""
    from flower.options import options  # noqa: PLC0415 - receivers and workers have no use for it

    settings = _settings()
    logs.set_up(_log_level())
    for name, value in OPTIONS.items():
        setattr(options, name, value)
    options.format_task = import_module("tasks.queue.flower.row").format_task
    options.basic_auth = _password(settings)
    if settings.cookie_secret is not None:
        options.cookie_secret = settings.cookie_secret.get_secret_value()
    if settings.client_secret is not None:
        options.oauth2_secret = settings.client_secret.get_secret_value()


def prepare(**_: object) -> None:
    """Prepare Flower, if this process is Flower's, for what all of its options say.

    Raises SystemExit if it would ask nobody, or could let nobody in, or could not keep its tasks.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != COMMAND:
        return
    from flower.options import options  # noqa: PLC0415 - see above

    if not options.auth and not _are_passwords(options.basic_auth):
        raise SystemExit(OPEN)
    password = _password(_settings())
    if options.auth:
        if missing := [variable for name, variable in SINGLE_SIGN_ON.items() if not getattr(options, name)]:
            raise SystemExit(f"With FLOWER_AUTH nobody could log in to Flower without {', '.join(missing)}.")
        # Flower would ask for both. The password is for programs then, which cannot sign on.
        options.basic_auth = [each for each in options.basic_auth or [] if each not in password]
    import_module("tasks.queue.flower.login").require(password if options.auth else [])
    history = import_module("tasks.queue.flower.history")
    if options.persistent:
        history.reserve(options.db)
    history.watch()


def _settings() -> FlowerSettings:
    try:
        return FlowerSettings.read()
    except InvalidSettings as error:
        raise SystemExit(str(error)) from None


def _log_level() -> str:
    try:
        return LogSettings.read().level
    except InvalidSettings:
        # Celery's settings are read next, this one too: then all that is wrong is said at once.
        return "INFO"


def _password(settings: FlowerSettings) -> list[str]:
    return [] if settings.password is None else [f"{settings.user}:{settings.password.get_secret_value()}"]


def _are_passwords(credentials: list[str] | None) -> bool:
    """Tell whether each is a user and a password; Flower accepts any one of them."""
    return bool(credentials) and all(all(each.partition(":")[::2]) for each in credentials or ())
