"""Bringing a database to this program's version."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from schema.database.engine import make_engine, place_of, reason_of
from schema.database.roles import become_migrator, login_of_too_much_power
from schema.errors import BadInput

LOCK_TIMEOUT_S = 5
_LOCK = 7_463_001


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


def migrate(dsn: str) -> MigrationStatus:
    """Bring the database to this program's version; only one caller at a time does, the others wait.

    Raises:
        BadInput: the server does not answer, the login may not do it, or the database belongs to a newer version of
            this program.
    """
    with _connected(dsn) as connection:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if not _status(connection).is_current:
            # Whoever uses a table for long must not make everyone else wait in line behind a migration.
            connection.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            become_migrator(connection)
            command.upgrade(migration_config(connection), "head")
        return _status(connection)


def migration_status(dsn: str) -> MigrationStatus:
    """Which revision the database is at.

    Raises:
        BadInput: the server does not answer, or the database belongs to a newer version of this program.
    """
    with _connected(dsn) as connection:
        return _status(connection)


def migration_config(connection: Connection) -> Config:
    """Alembic's configuration for an open connection, without a file."""
    config = Config()
    config.set_main_option("script_location", "schema:migrations")
    config.attributes["connection"] = connection
    return config


def _status(connection: Connection) -> MigrationStatus:
    scripts = ScriptDirectory.from_config(migration_config(connection))
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
