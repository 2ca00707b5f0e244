"""The ``turnstile`` program: finds the command, and says what went wrong in one line."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

from schema.errors import BadInput, TurnstileError
from schema.sources import redact


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A command that is imported when it is asked for: ``module:name`` of a function, or of a Typer with commands."""

    where: str
    help: str


COMMANDS = {
    "count": Entry(where="cluster.commands.counting:count", help="Count people in one video, without any service."),
    "eval": Entry(where="cluster.commands.counting:eval_", help="Compare the counts of one video with the truth."),
    "demo": Entry(where="cluster.commands.demo:demo", help="Show everything at work on four cameras."),
    "up": Entry(where="cluster.commands.running:up", help="Start counting the cameras of the settings."),
    "down": Entry(where="cluster.commands.running:down", help="Stop counting, and the private services."),
    "status": Entry(where="cluster.commands.running:status", help="Show what runs and how well."),
    "backfill": Entry(where="cluster.commands.backfill:backfill", help="Count recorded videos into the store."),
    "cameras": Entry(where="cluster.commands.cameras:cameras", help="List, add, change and remove cameras."),
    "zones": Entry(where="cluster.commands.zones:zones", help="List, add, change and remove lines and zones."),
    "tenants": Entry(where="cluster.commands.tenants:tenants", help="List, add and change tenants."),
    "models": Entry(where="cluster.commands.models:models", help="List and check detection models."),
    "files": Entry(where="cluster.commands.files:files", help="List files, and let go of old and lost ones."),
    "db": Entry(where="cluster.commands.db:db", help="Bring the database up to date."),
    "history": Entry(where="cluster.commands.history:history", help="Show counts of any time, wherever they lie."),
    "tiers": Entry(where="cluster.commands.tiers:tiers", help="Move what has aged, and see what lies where."),
    "rollup": Entry(where="cluster.commands.rollup:rollup", help="Bring hours, days and months up to date."),
    "cache": Entry(where="cluster.commands.cache:cache", help="Show what lies in Redis, or forget it."),
    "flags": Entry(where="cluster.commands.flags:flags", help="List and set switches of the running system."),
    "jobs": Entry(where="cluster.commands.jobs:jobs", help="Ask the workers for something, and watch them."),
    "queue": Entry(where="cluster.commands.queue:queue", help="Show what waits in RabbitMQ; dead letters."),
    "privacy": Entry(where="cluster.commands.privacy:privacy", help="Hand out a person's data, or erase it."),
    "bench": Entry(where="cluster.commands.bench:bench", help="Measure speed against peers and limits."),
}


def build(wanted: str | None) -> typer.Typer:
    """The program with all commands listed and the wanted one loaded.

    The others stay unimported, because some load torch or Ray, which takes seconds.
    """
    app = typer.Typer(
        name="turnstile",
        help="Count people crossing lines and staying in zones.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name, entry in COMMANDS.items():
        if name != wanted:
            app.command(name, help=entry.help)(_not_loaded)
            continue
        module, _, attribute = entry.where.partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=entry.help)
        else:
            app.command(name, help=entry.help)(command)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code: 2 for bad input, 1 for other failures, 130 for Ctrl-C."""
    wanted = next((argument for argument in arguments if argument in COMMANDS), None)
    try:
        # Typer returns the code of an explicit exit, and otherwise what the command returned: nothing.
        return build(wanted)(list(arguments) or ["--help"], prog_name="turnstile", standalone_mode=False) or 0
    except typer.TyperException as error:
        help_line = " ".join(["turnstile", *([wanted] if wanted else []), "--help"])
        return _fail(f"{error.format_message().rstrip('.')} (see '{help_line}')", error.exit_code)
    except BadInput as error:
        return _fail(str(error), 2)
    except TurnstileError as error:
        return _fail(str(error), 1)
    except typer.Abort:
        return 1
    except KeyboardInterrupt:  # while importing
        return 130


def main() -> None:
    """Entry point of the program."""
    from cluster.logs import configure_logging

    configure_logging()
    sys.exit(run(sys.argv[1:]))


def _not_loaded() -> None: ...


def _fail(sentence: str, code: int) -> int:
    sys.stderr.write(f"turnstile: {redact(sentence)}\n")
    return code
