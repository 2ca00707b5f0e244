"""``turnstile history``: counts of any time, in whichever tier they lie by now."""

import csv
import sys
from datetime import UTC, datetime
from typing import Annotated, Any, cast, get_args

import typer
from rich.console import Console
from rich.table import Column, Table

from cluster.commands.configured import find_camera, print_json, tenant_id
from cluster.commands.options import Config, Json, Tenant
from cluster.services import Services
from schema.database import migrate, open_engine, transaction
from schema.errors import BadInput
from schema.queries import counts
from schema.queries.counts import CountBucket, Resolution
from schema.settings import load_settings
from schema.storage import open_storage
from schema.tiers.history import ArchivedCounts
from schema.times import to_ns, to_text

_SUMS = ("count_in", "count_out", "effective_in", "effective_out", "appeared", "lost")
_HEADINGS = ("in", "out", "effective in", "effective out", "appeared", "lost", "dwell s", "watched s")
_COLUMNS = ("camera", "rule", "kind", "from", "to", *_SUMS, "dwell_s", "covered_s")


def history(
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help="ISO 8601; UTC if it names no zone.")],
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="Before this time.")],
    resolution: Annotated[str, typer.Option(help=f"Length of a bucket: {', '.join(get_args(Resolution))}.")] = "hour",
    camera: Annotated[list[str] | None, typer.Option(help="Of this camera only; may be repeated.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="Of this line or zone only; may be repeated.")] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Give buckets in which nothing was counted, too.")] = False,
    tenant: Tenant = None,
    config: Config = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV and nothing else.")] = False,
    as_json: Json = False,
) -> None:
    """Counts over time, wherever they lie by now; beside each, how long the camera was watched."""
    if resolution not in get_args(Resolution):
        raise BadInput(f"resolution '{resolution}' is not known: give one of {', '.join(get_args(Resolution))}")
    if as_csv and as_json:
        raise BadInput("--csv and --json are two answers: give one of them")
    span = {"from_ns": _moment("--from", from_), "to_ns": _moment("--to", to)}
    settings = load_settings(config)
    with Services(settings, database_only=True) as services:
        migrate(services.endpoints.postgres_owner_dsn)
        engine = open_engine(services.endpoints.postgres_dsn, pool_size=1)
        try:
            with transaction(engine, tenant_id(engine, tenant or settings.tenant), one_snapshot=True) as session:
                found = counts.buckets(
                    session,
                    **span,
                    resolution=cast(Resolution, resolution),
                    camera_ids=None if camera is None else [find_camera(session, name).id for name in camera],
                    rules=rule,
                    fill=fill,
                    archived=ArchivedCounts(files=open_storage(settings.storage)),
                )
        finally:
            engine.dispose()
    rows = [_row(bucket) for bucket in found]
    if as_json:
        print_json(rows)
    elif as_csv:
        lines = csv.writer(sys.stdout)
        lines.writerow(_COLUMNS)
        lines.writerows(row.values() for row in rows)
    else:
        _print(rows)


def _moment(option: str, given: str) -> int:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise BadInput(f"{option} '{given}' is not a time: write it like 2026-05-01T08:00:00Z") from None
    return to_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _row(bucket: CountBucket) -> dict[str, Any]:
    totals = bucket.totals
    return {
        "camera": bucket.camera,
        "rule": bucket.rule,
        "kind": bucket.kind,
        "from": to_text(bucket.from_ns),
        "to": to_text(bucket.to_ns),
        **{name: getattr(totals, name) for name in _SUMS},
        "dwell_s": round(totals.dwell_s, 3),
        "covered_s": round(bucket.covered_s, 3),
    }


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        Console().print("nothing was counted in this time")
        return
    table = Table(*(Column(name, no_wrap=True) for name in ("camera", "rule", "from")), *_HEADINGS)
    for row in rows:
        sums = (str(row[name]) for name in _SUMS)
        seconds = (f"{row[name]:.0f}" for name in ("dwell_s", "covered_s"))
        table.add_row(row["camera"], row["rule"], f"{row['from'][:16]}Z", *sums, *seconds)
    Console().print(table)
