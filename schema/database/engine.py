"""Pools of connections, and which failures pass by themselves."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import errors
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from schema.database.results import may_ask_for_binary
from schema.database.roles import APP
from schema.errors import BadInput, StoreUnavailable

CONNECT_TIMEOUT_S = 5
SILENCE_S = 15
# A plan for any time locks every partition, and is made once to see what it would cost: more than a second with
# thousands of them. Whoever only inserts keeps its plans, or every foreign key would be planned anew for every row.
_PLANS = {True: "-c plan_cache_mode=force_custom_plan", False: "-c plan_cache_mode=auto"}


def open_engine(dsn: str, *, pool_size: int = 5, reads: bool = True, replica: bool = False) -> Engine:
    """A pool of checked connections; nothing is connected yet.

    They act as the role ``turnstile_app``, whoever logs in, and see no tenant's rows until a transaction names one.

    Args:
        dsn: ``postgresql://…``, ``postgres://…`` or ``postgresql+psycopg://…``.
        pool_size: connections kept open, and no more than these are opened.
        replica: whether the server is expected to be a replica.
        reads: whether partitioned tables are read by these connections, or only inserted into.

    Raises:
        BadInput: the address has another form.
    """
    return make_engine(dsn, pool_size=pool_size, role=APP, reads=reads, replica=replica)


def make_engine(dsn: str, *, pool_size: int, role: str | None, reads: bool = True, replica: bool = False) -> Engine:
    """As ``open_engine``, acting as another role; None: as whoever logs in, which is what migrations need.

    Raises:
        BadInput: the address has another form.
    """
    url = _url(dsn)
    options = url.query.get("options", "")
    own = (_PLANS[reads],) if role is None else (_PLANS[reads], f"-c role={role}")
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "application_name": "turnstile",
            "connect_timeout": CONNECT_TIMEOUT_S,
            # A server that vanished without a word is noticed within this time, not the kernel's quarter of an hour.
            "keepalives_idle": SILENCE_S,
            "tcp_user_timeout": SILENCE_S * 1000,
            "options": " ".join((*([options] if isinstance(options, str) else options), *own)),
            **_primary_only(url, replica),
        },
    )
    # Called for every pooled connection before it is used again. A primary may have been demoted, and a replica
    # promoted, while the connection lay in the pool: then it is closed, and another one is opened.
    engine.dialect.do_ping = lambda dbapi_connection: _is_still(replica, dbapi_connection)
    may_ask_for_binary(engine)
    return engine


@contextmanager
def unavailable_as_retryable(engine: Engine) -> Generator[None]:
    """Turn what passes by itself (no connection, restart, deadlock, demotion) into ``StoreUnavailable``."""
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable(f"PostgreSQL at {place_of(engine.url)} has no free connection") from error
    except DBAPIError as error:
        if not (isinstance(error, OperationalError) or error.connection_invalidated or _is_read_only(error)):
            raise
        raise StoreUnavailable(f"PostgreSQL at {place_of(engine.url)} did not answer: {reason_of(error)}") from error


def _primary_only(url: URL, replica: bool) -> dict[str, str]:
    """Of several hosts the one that takes writes, unless the address says otherwise."""
    several = isinstance(url.query.get("host"), tuple) or "," in (url.host or "")
    return (
        {"target_session_attrs": "read-write"}
        if several and not replica and "target_session_attrs" not in url.query
        else {}
    )


def _is_still(replica: bool, connection: Any) -> bool:
    connection.autocommit = True  # or there would be a transaction to end
    try:
        return connection.execute("select pg_is_in_recovery()").fetchone() == (replica,)
    finally:
        if not connection.closed:
            connection.autocommit = False


def place_of(url: URL) -> str:
    """Host and port, or hosts, without user and password."""
    hosts = url.query.get("host") or url.host or "localhost"
    place = hosts if isinstance(hosts, str) else ", ".join(hosts)
    return f"{place}:{url.port or 5432}" if isinstance(hosts, str) and ":" not in place else place


def reason_of(error: DBAPIError) -> str:
    """The server's own words in one line, without the address that libpq puts in front."""
    first = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
    return first.rpartition(" failed: ")[2].removeprefix("FATAL:").strip()


def _url(dsn: str) -> URL:
    try:
        url = make_url(dsn)
    except (ArgumentError, ValueError):
        raise BadInput(
            "postgres_dsn is not an address: write it like postgresql://user:password@host:5432/name"
        ) from None
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise BadInput(f"postgres_dsn starts with {url.drivername}://: only postgresql:// will do")
    return url.set(drivername="postgresql+psycopg")


def _is_read_only(error: DBAPIError) -> bool:
    """Whether the server has just been demoted: its successor will take the same transaction."""
    return isinstance(error.orig, errors.ReadOnlySqlTransaction)
