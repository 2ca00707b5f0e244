"""A database of its own for a test of the audit trail, which cannot be emptied, and looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine, text

from schema.database import Acting, auditing, open_engine, transaction
from schema.queries import audit, cameras
from schema.queries.audit import Entry, Verdict
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID as TENANT

SOMEBODY = Acting(user_id=7, ip_address="192.0.2.9")
ADDRESS = "rtsp://joe:geheim@10.0.0.1/1"


@contextmanager
def audited_database(server: str, template: str) -> Iterator[Engine]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database audited template {template}")
        engine = open_engine(server.rpartition("/")[0] + "/audited")
        try:
            yield engine
        finally:
            engine.dispose()
            connection.execute("drop database audited with (force)")


def attempt(engine: Engine, role: str, statement: str) -> None:
    with transaction(engine, TENANT) as session:
        session.execute(text(f"set local role {role}"))
        session.execute(text(statement))


def trail(engine: Engine, tenant_id: int | None = TENANT) -> list[Entry]:
    """Oldest first."""
    with auditing(engine, tenant_id) as session:
        return list(audit.listing(session, tenant_id, limit=1000))[::-1]


def verdict(engine: Engine, tenant_id: int | None = TENANT) -> Verdict:
    with auditing(engine, tenant_id) as session:
        return audit.verify(session, tenant_id)


def add_cameras(engine: Engine, count: int, name: str = "camera") -> list[Camera]:
    """Each in a transaction of its own, by somebody."""
    added = []
    for number in range(count):
        with transaction(engine, TENANT, acting=SOMEBODY) as session:
            added.append(cameras.add(session, Camera(name=f"{name}-{number}", source=ADDRESS)))
    return added
