"""Pools of connections, and which failures pass by themselves."""

from collections.abc import Generator
from contextlib import contextmanager

from psycopg import errors
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from schema.database.roles import APP
from schema.errors import BadInput, StoreUnavailable

CONNECT_TIMEOUT_S = 5
SILENCE_S = 15
# A plan for any time locks every partition, and is made once to see what it would cost: more than a second with
# thousands of them. Whoever only inserts keeps its plans, or every foreign key would be planned anew for every row.
_PLANS = {True: "-c plan_cache_mode=force_custom_plan", False: "-c plan_cache_mode=auto"}


def open_engine(dsn: str, *, pool_size: int = 5, reads: bool = True) -> Engine:
    """A pool of checked connections; nothing is connected yet.

    They act as the role ``turnstile_app``, whoever logs in, and see no tenant's rows until a transaction names one.

    Args:
        dsn: ``postgresql://…``, ``postgres://…`` or ``postgresql+psycopg://…``.
        pool_size: connections kept open, and no more than these are opened.
        reads: whether partitioned tables are read by these connections, or only inserted into.

    Raises:
        BadInput: the address has another form.
    """
    return make_engine(dsn, pool_size=pool_size, role=APP, reads=reads)


def make_engine(dsn: str, *, pool_size: int, role: str | None, reads: bool = True) -> Engine:
    """As ``open_engine``, acting as another role; None: as whoever logs in, which is what migrations need.

    Raises:
        BadInput: the address has another form.
    """
    url = _url(dsn)
    options = url.query.get("options", "")
    own = (_PLANS[reads],) if role is None else (_PLANS[reads], f"-c role={role}")
    return create_engine(
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
        },
    )


@contextmanager
def unavailable_as_retryable(engine: Engine) -> Generator[None]:
    """Turn what passes by itself into ``StoreUnavailable``.

    That is: no connection, restart, deadlock, demotion, a partition that was made while a row was on its way.
    """
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable(f"PostgreSQL at {place_of(engine.url)} has no free connection") from error
    except DBAPIError as error:
        if not (isinstance(error, OperationalError) or error.connection_invalidated or _passes(error)):
            raise
        raise StoreUnavailable(f"PostgreSQL at {place_of(engine.url)} did not answer: {reason_of(error)}") from error


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


def _passes(error: DBAPIError) -> bool:
    match error.orig:
        case errors.ReadOnlySqlTransaction():
            # The server has just been demoted: its successor will take the same transaction.
            return True
        case errors.CheckViolation() as refused:
            # No check has refused the row, but the default partition: its time has got a partition meanwhile.
            return refused.diag.constraint_name is None
        case _:
            return False
