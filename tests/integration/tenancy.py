"""Two tenants with rows in every table that has tenants, and logins that may act as this or that role."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from schema.tables import Base
from schema.times import to_datetime

TENANT_TABLES: Final = tuple(table.name for table in Base.metadata.sorted_tables if "tenant_id" in table.columns)
"""Parents before their children."""

NOW_NS: Final = 1_796_083_200 * 10**9
NOW: Final = to_datetime(NOW_NS)
DAY: Final = NOW.date()
MINE: Final = 1
PASSWORD: Final = "hush"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """A database with two tenants, ``MINE`` and ``theirs``, and who may log in to it by name."""

    superuser_dsn: str
    theirs: int
    ids: Mapping[int, Mapping[str, Any]]
    """Camera, zone, user … of each tenant."""
    connections: Mapping[str, psycopg.Connection[dict[str, Any]]]
    """One a login, used again and again."""

    @contextmanager
    def acting(self, login: str, *, tenant: int | str | None = MINE) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A transaction as a login in its first role, for a tenant, None for no such setting; rolled back."""
        connection = self.connections[login]
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(LOGINS[login][0])))
            if tenant is not None:
                connection.execute("select set_config('app.tenant', %s, true)", [str(tenant)])
            yield connection

    def fingerprint(self) -> dict[str, str | None]:
        """A digest of all that belongs to the other tenant, and of the tenants themselves."""
        digest = "select md5(string_agg(t::text, ',' order by t::text)) from {} t where {}"
        with psycopg.connect(self.superuser_dsn) as connection:
            queries = {name: (name, f"tenant_id = {self.theirs}") for name in TENANT_TABLES}
            queries["tenants"] = ("tenants", "true")
            found = {name: connection.execute(digest.format(*query)).fetchone() for name, query in queries.items()}
        return {name: row and row[0] for name, row in found.items()}


LOGINS: Final = {
    "attack_app": ("turnstile_app",),
    "attack_service": ("turnstile_app", "turnstile_system"),
    "attack_analyst": ("turnstile_analyst",),
    "attack_auditor": ("turnstile_auditor",),
}


@contextmanager
def two_tenants(dsn: str) -> Iterator[Ground]:
    """Rows of both in a migrated, empty database."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        for login, roles in LOGINS.items():
            connection.execute(f"create role {login} login noinherit password '{PASSWORD}' in role {', '.join(roles)}")
        tenant = connection.execute("insert into tenants (name) values ('theirs') returning id").fetchone()
        assert tenant is not None
        ids = {tenant_id: _fill(connection, tenant_id) for tenant_id in (MINE, tenant["id"])}
    with ExitStack() as stack:
        connections = {
            login: stack.enter_context(psycopg.connect(dsn_of(dsn, login), row_factory=dict_row, autocommit=True))
            for login in LOGINS
        }
        yield Ground(superuser_dsn=dsn, theirs=tenant["id"], ids=ids, connections=connections)
    with psycopg.connect(dsn) as connection:
        for login in LOGINS:
            connection.execute(f"drop role {login}")


def dsn_of(dsn: str, login: str) -> str:
    """The same database's address for one of ``LOGINS``."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{login}:{PASSWORD}@{parts.hostname}:{parts.port}"))


def _fill(connection: psycopg.Connection[dict[str, Any]], tenant_id: int) -> Mapping[str, Any]:
    """One row in every table; the tables that a trigger fills are left to it."""
    connection.execute("select set_config('app.tenant', %s, true)", [str(tenant_id)])
    connection.execute("select set_config('app.client_ip', '10.0.0.1', true)")
    ids: dict[str, Any] = {"event": uuid4()}
    for table, values in _rows(ids, tenant_id):
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        places = sql.SQL(", ").join(sql.Placeholder() * len(values))
        statement = sql.SQL("insert into {} ({}) values ({}) returning *").format(sql.Identifier(table), names, places)
        row = connection.execute(statement, list(values.values())).fetchone()
        assert row is not None
        ids[table] = row.get("id")
    return ids


def _rows(ids: dict[str, Any], tenant_id: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Table and values, parents first; ``ids`` fills while they are stored."""
    yield "cameras", {"name": "lobby", "source": "rtsp://camera"}
    camera = {"camera_id": ids["cameras"]}
    yield (
        "zones",
        {**camera, "name": "door", "type": "line", "coordinates": Jsonb([[0, 0], [1, 1]]), "version": 1, "u_turn_s": 2},
    )
    rule = {**camera, "zone_id": ids["zones"]}
    yield "leases", {**camera, "holder": "worker", "epoch": 1, "granted_at": NOW, "expires_at": NOW}
    yield "streams", {**camera, "epoch": "e", "started_at": NOW, "is_file": False}
    yield "coverage", {**camera, "epoch": "e", "from_at": NOW, "to_at": NOW}
    yield (
        "crossings",
        {
            **rule,
            "occurred_at": NOW,
            "event_id": ids["event"],
            "epoch": "e",
            "track_id": 1,
            "kind": "line",
            "direction": "in",
            "cause": "crossed",
            "ordinal": 0,
            "frame": 1,
            "confirmed_at": NOW,
            "confidence": 0.9,
            "x": 0.5,
            "y": 0.5,
        },
    )
    yield "counting_results", {**rule, "bucket": NOW, "count_in": 1}
    yield "zone_totals", {"zone_id": ids["zones"], "count_in": 1}
    yield "camera_events", {**camera, "timestamp": NOW, "event_id": uuid4(), "event_type": "lost"}
    yield "outbox", {"event_id": uuid4(), "routing_key": "crossing.1.1", "body": Jsonb({})}
    yield "outbox_crossings", {"event_ids": [ids["event"]], "first_at": NOW, "last_at": NOW}
    yield "users", {"username": "ada", "email_sealed": b"sealed", "email_index": b"index"}
    yield (
        "user_sessions",
        {
            "user_id": ids["users"],
            "token_hash": bytes([tenant_id]) * 32,
            "created_at": NOW,
            "expires_at": to_datetime(NOW_NS + 10**9),
            "last_seen_at": NOW,
        },
    )
    yield "alerts", {**rule, "type": "gone", "severity": "info", "message": "gone", "timestamp": NOW}
    yield (
        "files",
        {"kind": "export", "filename": "f", "path": f"{tenant_id}/f", "size": 1, "mime_type": "x", "sha256": "0" * 64},
    )
    yield (
        "evidence",
        {
            **rule,
            "event_id": ids["event"],
            "occurred_at": NOW,
            "file_id": ids["files"],
            "model": "m",
            "seen_at": NOW,
            "box": [0.0, 0.0, 1.0, 1.0],
            "trajectory": Jsonb([]),
        },
    )
    yield "jobs", {"kind": "export", "requested_by": ids["users"]}
    yield "packed_days", {**rule, "day": DAY, "first_minute": 0, "minutes": 1, "checksum": 0}
    yield "archives", {"kind": "crossings", "tier": "cold", "first_day": DAY, "path": f"{tenant_id}.parquet"}
    yield "analytics", {**rule, "period": "day", "timestamp": NOW, "count_in": 1}
