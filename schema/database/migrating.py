"""Bringing a database to this program's version."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import errors
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from schema.database.engine import make_engine, place_of, reason_of
from schema.database.roles import MIGRATOR, become_migrator, login_of_too_much_power
from schema.database.validating import count_rows, flaws, losses
from schema.errors import BadInput, Permanent, StoreUnavailable

LOCK_TIMEOUT_S: Final = 5
PAUSES_S: Final = (1.0, 2.0, 4.0)
"""Before the next tries where somebody uses a table for longer than ``LOCK_TIMEOUT_S``."""

STATEMENT_TIMEOUT_S: Final = 600
"""What workers and counters have to store waits that long in their journals without any harm."""

_LOCK: Final = 7_463_001
# Whoever uses a table for long must not make everyone else wait in line behind a migration.
_PATIENCE: Final = (
    f"set local lock_timeout = '{LOCK_TIMEOUT_S}s'; set local statement_timeout = '{STATEMENT_TIMEOUT_S}s'"
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationStatus:
    """Which revision a database is at (None: empty), and which one this program needs.

    ``too_powerful_login`` is who logs in, if he could see every tenant's rows: a superuser.
    """

    current: str | None
    head: str
    pending: tuple[str, ...]
    too_powerful_login: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether nothing is left to migrate."""
        return not self.pending


class _InUseError(Exception):
    """A table that the migration changes is in use."""


def migrate(dsn: str, *, sleep: Callable[[float], None] = time.sleep) -> MigrationStatus:
    """Bring the database to this program's version; only one caller at a time does, the others wait.

    All or nothing: it is one transaction, and what comes out is compared with the models before it is committed.

    Raises:
        BadInput: the server does not answer, the login may not do it, or the database belongs to a newer version of
            this program.
        StoreUnavailable: somebody used a table for too long; names who. Nothing was changed.
        Permanent: the outcome is not what it should be. Nothing was changed.
    """
    for pause_s in PAUSES_S:
        try:
            return _migrate(dsn)
        except _InUseError:
            _log.warning("A table is in use, the migration waits", seconds=pause_s)
            sleep(pause_s)
    try:
        return _migrate(dsn)
    except _InUseError:
        raise StoreUnavailable(_who_is_in_the_way(dsn)) from None


def migration_status(dsn: str) -> MigrationStatus:
    """Which revision the database is at.

    Raises:
        BadInput: the server does not answer, or the database belongs to a newer version of this program.
    """
    with _connected(dsn) as connection:
        return _status(connection)


def migration_sql(first: str | None, last: str) -> str:
    """The statements that take a database from one revision (None: empty) to another, as one transaction.

    The roles of ``schema.database.roles`` must be there, and whoever runs it must be a member of the migrator.
    """
    config = _config()
    config.output_buffer = written = StringIO()
    config.attributes["first"] = f"{_PATIENCE}; set local role {MIGRATOR}"
    command.upgrade(config, f"{first or 'base'}:{last}", sql=True)
    return written.getvalue()


def validate(dsn: str) -> tuple[str, ...]:
    """What is wrong with the database's tables, a sentence each; they must be at this program's version.

    Raises:
        BadInput: the server does not answer, or the database is at another version.
    """
    with _connected(dsn) as connection:
        status = _status(connection)
        if not status.is_current:
            raise BadInput(
                f"the database is at {status.current or 'no version'}, not at {status.head}: run 'turnstile db migrate'"
            )
        return flaws(connection)


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for an open connection, without a file."""
    config = _config()
    config.attributes["connection"] = connection
    return config


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "schema:migrations")
    return config


def _let_commits_end(connection: Connection) -> None:
    """Wait for crossings that are being stored, and let others wait.

    Storing begins with the leases and goes from table to table. Whoever locks tables one by one in another order waits
    for it, and it for him.
    """
    if connection.scalar(text("select to_regclass('leases')")) is not None:
        connection.execute(text("lock table leases in access exclusive mode"))


def _migrate(dsn: str) -> MigrationStatus:
    with _connected(dsn) as connection:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if not _status(connection).is_current:
            connection.execute(text(_PATIENCE))
            try:
                _let_commits_end(connection)
                become_migrator(connection)
                before = count_rows(connection)
                command.upgrade(migration_config(connection), "head")
                _validate(connection, before)
            except OperationalError as error:
                # Two that wait for each other: one of them is told so, and it may be us.
                if isinstance(error.orig, errors.LockNotAvailable | errors.DeadlockDetected):
                    raise _InUseError from error
                if isinstance(error.orig, errors.QueryCanceled):
                    raise Permanent(
                        f"the migration was undone: {reason_of(error)} (of {STATEMENT_TIMEOUT_S} s)"
                    ) from error
                raise
        return _status(connection)


def _validate(connection: Connection, before: Mapping[str, int]) -> None:
    wrong = (*losses(before, connection), *flaws(connection))
    if wrong:
        raise Permanent(f"the migration was undone, because afterwards {'; '.join(wrong)}")


def _who_is_in_the_way(dsn: str) -> str:
    with _connected(dsn) as connection:
        found = connection.execute(_OLDEST, {"older_s": LOCK_TIMEOUT_S}).one_or_none()
        place = place_of(connection.engine.url)
    if found is None:
        return f"PostgreSQL at {place} could not lock a table to migrate it: somebody keeps it in use; try again"
    return (
        f"PostgreSQL at {place} could not lock a table to migrate it: process {found.pid} ({found.who}) has held a "
        f"transaction open for {found.age_s:.0f} s; end it (select pg_terminate_backend({found.pid})), or try again"
    )


_OLDEST: Final = text("""
    select a.pid, coalesce(nullif(a.application_name, ''), a.usename, 'unknown') as who,
        extract(epoch from clock_timestamp() - a.xact_start) as age_s
    from pg_stat_activity a
    where a.datname = current_database() and a.pid <> pg_backend_pid()
      and a.xact_start < clock_timestamp() - make_interval(secs => :older_s)
      and exists (
        select from pg_locks l join pg_class c on c.oid = l.relation
        where l.pid = a.pid and c.relnamespace = 'public'::regnamespace)
    order by a.xact_start limit 1
""")


def _status(connection: Connection) -> MigrationStatus:
    scripts = ScriptDirectory.from_config(_config())
    order = [script.revision for script in scripts.walk_revisions()][::-1]
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in order:
        url = connection.engine.url
        raise BadInput(
            f"database '{url.database}' at {place_of(url)} is at revision {current}, which this version does not know: "
            "upgrade turnstile, or take another database"
        )
    done = 0 if current is None else order.index(current) + 1
    return MigrationStatus(
        current=current,
        head=order[-1],
        pending=tuple(order[done:]),
        too_powerful_login=login_of_too_much_power(connection),
    )


@contextmanager
def _connected(dsn: str) -> Generator[Connection]:
    engine = make_engine(dsn, pool_size=1, role=None)
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise BadInput(
            f"PostgreSQL at {place_of(engine.url)} does not take us: {reason_of(error)}; start it or correct"
            " postgres_dsn"
        ) from None
    finally:
        engine.dispose()
