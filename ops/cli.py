"""The `switchboard` command. Each subcommand imports its code when it runs, so that `--help` is printed at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ops.commands.calls.cli import calls
from ops.commands.keys.cli import keys
from ops.commands.notices.cli import notices
from ops.commands.tenants.cli import tenants
from tasks.errors import InvalidSetting


class Commands(click.Group):
    """A group of commands. Settings that are not usable end each of them with a line for each, and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InvalidSetting as error:
            raise click.exceptions.Exit(_print_problems(str(error))) from None


def _print_problems(problems: str) -> int:
    from tasks.settings import unknown_settings  # noqa: PLC0415 - see the module's docstring

    # A variable that is misspelt is often the cause.
    print(problems, *unknown_settings(), sep="\n", file=sys.stderr)
    return 1


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="livekit-switchboard", prog_name="switchboard")
def main() -> None:
    """Answer LiveKit rooms with voice agents."""


@main.command()
@click.option("--calls", default=1, show_default=True, type=click.IntRange(1, 50), help="Number of simultaneous calls.")
@click.option(
    "--keep", is_flag=True, help="Keep running after the calls, and print a link to try a call in the browser."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and the rest on stderr.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for logs and recordings.  [default: a new temporary folder]",
)
@click.option(
    "--livekit-url",
    metavar="URL",
    help="A running LiveKit server, with LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the environment. "
    "It must send its webhooks to http://127.0.0.1:PORT/livekit/webhook, where PORT is --webhook-port.",
)
@click.option("--webhook-port", type=click.IntRange(1, 65535), help="Port for webhooks.  [default: any free port]")
def demo(**options: Any) -> None:
    """Run a whole installation on this machine and make real calls to it.

    Starts Redis, livekit-server, two webhook receivers behind HAProxy (one receiver where HAProxy is not installed), a
    worker for each tier, Flower and the console. Then callers join rooms and speak. Needs no keys. The exit status is 0
    if each caller recognised the right answer in the audio that it received.
    """
    from ops.caller.process_exit import exit_process  # noqa: PLC0415 - see the module's docstring
    from ops.demo.command import run  # noqa: PLC0415
    from ops.demo.options import DemoOptions  # noqa: PLC0415

    exit_process(run(DemoOptions(**options)))


@main.command()
@click.option("--all", "everything", is_flag=True, help="Include rooms that are over, as long as Redis has them.")
@click.option("--workers", "only_workers", is_flag=True, help="Show the workers only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ps(*, everything: bool, only_workers: bool, as_json: bool) -> None:
    """Show the rooms, with the worker that answers each, and the workers. Reads REDIS_URL."""
    from ops.commands.ps import run  # noqa: PLC0415 - see the module's docstring

    sys.exit(run(everything=everything, only_workers=only_workers, as_json=as_json))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9808, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def exporter(*, host: str, port: int) -> None:
    """Serve the metrics of the installation for Prometheus, at /metrics. Reads REDIS_URL and SWITCHBOARD_TIERS."""
    from ops.metrics.command import run  # noqa: PLC0415 - see the module's docstring

    run(host=host, port=port)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9810, show_default=True, type=click.IntRange(1, 65535), help="Port of /healthz.")
def records(*, host: str, port: int) -> None:
    """Write the records of calls from Redis into the database. Reads REDIS_URL and SWITCHBOARD_DATABASE_URL."""
    from ops.commands.records import run  # noqa: PLC0415 - see the module's docstring

    run(host=host, port=port)


@main.group()
def database() -> None:
    """Upgrade the schema of the database, or show it."""


@database.command(name="upgrade")
def database_upgrade() -> None:
    """Upgrade the schema to what this version needs. Reads SWITCHBOARD_DATABASE_URL."""
    from ops.commands.database import upgrade  # noqa: PLC0415 - see the module's docstring

    sys.exit(upgrade())


@database.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def database_status(*, as_json: bool) -> None:
    """Show the version of the schema. The exit status is 0 if it is the one that this version needs, else 2."""
    from ops.commands.database import status  # noqa: PLC0415 - see the module's docstring

    sys.exit(status(as_json=as_json))


@main.command()
@click.argument("worker")
@click.option("--now", is_flag=True, help="Hand its calls over at once, without waiting for the drain time.")
@click.option("--wait", is_flag=True, help="Return when the worker has stopped.")
def drain(worker: str, *, now: bool, wait: bool) -> None:
    """Stop a worker without losing a call. WORKER is its name in `switchboard ps`. Reads REDIS_URL.

    It takes no more calls. Its calls go on for SWITCHBOARD_DRAIN_SECONDS; then it hands them over to other workers.
    """
    from ops.commands.drain import run  # noqa: PLC0415 - see the module's docstring

    sys.exit(run(worker, now=now, wait=wait))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--webhook-seconds",
    default=10.0,
    show_default=True,
    # The check itself has 30 s.
    type=click.FloatRange(1, 25),
    help="Time that a webhook has to arrive.",
)
@click.option(
    "--webhook-url",
    help="Address of the receivers, as in the LiveKit server's webhook.urls: says which part is wrong if none arrives.",
)
def doctor(*, as_json: bool, webhook_seconds: float, webhook_url: str | None) -> None:
    """Check the whole installation: Redis, LiveKit, webhooks, workers, tenants, their providers, and this host.

    Each line says that something is right, or what is wrong and the cure. Changes nothing that a call notices. Reads
    the same settings as a receiver, and SWITCHBOARD_ENCRYPTION_KEYS as the workers have it. The exit status is 0 if
    all is right, 1 if there are warnings or something could not be checked, and 2 if something is wrong.
    """
    from ops.commands.doctor.command import run  # noqa: PLC0415 - see the module's docstring

    sys.exit(run(as_json=as_json, webhook_seconds=webhook_seconds, webhook_url=webhook_url))


@main.command()
@click.argument("tenants", metavar="TENANT...", nargs=-1, required=True)
@click.option("--say", help="A question to ask once the agent has spoken, in English.")
@click.option("--expect", multiple=True, help="What the agent has to say then; one of these if given several times.")
@click.option(
    "--first-word-seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Limit for the first word, from when the caller is in the room.",
)
@click.option(
    "--answer-seconds",
    default=15.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Limit for an answer, from the end of the question.",
)
@click.option("--calls-url", help="Address of POST /calls of the receivers.  [default: a room on the LiveKit server]")
@click.option(
    "--api-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the API key for --calls-url.",
)
@click.option("--recording", type=click.Path(dir_okay=False, path_type=Path), help="WAV file for the last call.")
@click.option(
    "--every",
    type=click.FloatRange(1),
    metavar="SECONDS",
    help="Call again so often, and serve metrics of the results.",
)
@click.option(
    "--port", default=9809, show_default=True, type=click.IntRange(1, 65535), help="Port of the metrics of --every."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each call, on a line.")
def probe(*, tenants: tuple[str, ...], every: float | None, port: int, as_json: bool, **options: Any) -> None:
    """Call a tenant as a caller does, with real audio: join, hear the agent, ask, hear the answer, hang up.

    Such a call takes a slot, and costs what its providers cost. Reads LIVEKIT_URL, LIVEKIT_API_KEY and
    LIVEKIT_API_SECRET, and REDIS_URL to say why nobody answers. The exit status is 0 if all went well, else 1.
    """
    from ops.caller.process_exit import exit_process  # noqa: PLC0415 - see the module's docstring
    from ops.commands.probe.command import run  # noqa: PLC0415
    from ops.commands.probe.options import ProbeOptions  # noqa: PLC0415

    if (options["calls_url"] is None) is not (options["api_key_file"] is None):
        raise click.UsageError("--calls-url and --api-key-file go together")
    exit_process(run(tenants, ProbeOptions(**options), every=every, port=port, as_json=as_json))


@main.group()
def console() -> None:
    """Manage the operators of the console."""


@console.command(name="password")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["view", "operate", "listen"]),
    default=["view"],
    show_default=True,
    help="A role; it may be given several times.",
)
def console_password(name: str, roles: tuple[str, ...]) -> None:
    """Ask for a password, and print the line of SWITCHBOARD_CONSOLE_OPERATORS for the operator NAME.

    Without a terminal the password is the first line of stdin.
    """
    from ops.console.sign_in.password import run  # noqa: PLC0415 - see the module's docstring

    sys.exit(run(name, roles))


@main.group()
def dead() -> None:
    """List, show and replay dead letters: rooms that could not be answered."""


@dead.command(name="list")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Number of dead letters.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def dead_list(*, limit: int, as_json: bool) -> None:
    """List the dead letters, the newest first, with their reasons. Reads REDIS_URL."""
    from ops.commands.dead_letters import list_letters  # noqa: PLC0415 - see the module's docstring

    sys.exit(list_letters(limit=limit, as_json=as_json))


@dead.command(name="show")
@click.argument("letter")
def dead_show(letter: str) -> None:
    """Show a dead letter as JSON. LETTER is its id, or the sid of its room. Reads REDIS_URL."""
    from ops.commands.dead_letters import show  # noqa: PLC0415 - see the module's docstring

    sys.exit(show(letter))


@dead.command(name="replay")
@click.argument("letter")
def dead_replay(letter: str) -> None:
    """Queue the room of a dead letter again, if it still exists. Reads the same settings as a receiver."""
    from ops.commands.dead_letters import replay  # noqa: PLC0415 - see the module's docstring

    sys.exit(replay(letter))


@main.command()
@click.option("--tenant", help="Only this tenant.")
@click.option("--month", help="Month in UTC: 2026-11.  [default: this month]")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a line for each amount.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def usage(*, tenant: str | None, month: str | None, as_csv: bool, as_json: bool) -> None:
    """Show what the calls of a month have used, by tenant, provider and model. Reads SWITCHBOARD_DATABASE_URL."""
    from ops.commands.usage import run  # noqa: PLC0415 - see the module's docstring

    if as_csv and as_json:
        raise click.UsageError("give either --csv or --json")
    sys.exit(run(tenant=tenant, month=month, as_csv=as_csv, as_json=as_json))


for group in (calls, keys, notices, tenants):
    main.add_command(group)


if __name__ == "__main__":
    main()
