"""Which server answers: the one place that decides between primary and replicas.

Writing, and what must be true this moment, goes to the primary. Reading that tolerates some staleness goes to a replica
that is known to be no further behind than that, if there is one. How far a replica is behind is measured by the
primary's own log: positions are noted with the time, and a replica is as old as the newest position that it has
replayed. So an idle primary makes nobody look late, and while the primary is away its replicas grow older.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from schema.database.engine import open_engine, place_of
from schema.database.scoped import PROGRAM, Acting, transaction
from schema.errors import StoreUnavailable
from schema.times import MINUTE_NS

Kind = Literal["live", "history", "report"]
"""``live``: as it is now. ``history``: a time that is over. ``report``: exports and long questions."""

TOLERATED_S: Final[dict[Kind, float]] = {"live": 0.0, "history": 30.0, "report": 300.0}
SETTLED_NS: Final = MINUTE_NS
"""A question about a time that ended this long ago is one about history."""
CHECK_EVERY_S: Final = 0.5
_POSITIONS: Final = int(TOLERATED_S["report"] / CHECK_EVERY_S)

_log = structlog.get_logger(__name__)


def kind_of(to_ns: int | None, *, now_ns: int) -> Kind:
    """What kind of question one about the time until ``to_ns`` is; None: until now."""
    settled = to_ns is not None and to_ns <= now_ns - SETTLED_NS
    return "history" if settled else "live"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaHealth:
    """One replica: host and port, and how old what it shows is; None while it cannot be used."""

    place: str
    behind_s: float | None


class Database:
    """A primary and its replicas. Safe to use from several threads; close it at the end.

    With no replica configured everything goes to the primary, and nothing else happens.
    """

    def __init__(self, dsn: str, replica_dsns: Sequence[str] = (), *, pool_size: int = 5) -> None:
        """Connect when first needed; replicas are watched from now on.

        Args:
            dsn: the primary; several hosts in one address follow a failover.
            replica_dsns: one address a replica.
            pool_size: connections to each.

        Raises:
            BadInput: an address has a wrong form.
        """
        watching = int(bool(replica_dsns))  # a connection of one's own, or a full house would look like an outage
        self.primary = open_engine(dsn, pool_size=pool_size + watching)
        self._replicas = [_Replica(replica, pool_size + watching) for replica in replica_dsns]
        self._positions: deque[tuple[float, int]] = deque(maxlen=_POSITIONS)
        self._closing = threading.Event()
        self.reads = {"primary": 0, "replica": 0}
        if self._replicas:
            threading.Thread(target=self._watch, name="replicas", daemon=True).start()

    def write(self, tenant_id: int, *, acting: Acting = PROGRAM) -> AbstractContextManager[Session]:
        """A transaction on the primary, as ``schema.database.transaction``."""
        return transaction(self.primary, tenant_id, acting=acting)

    @contextmanager
    def read(self, tenant_id: int, kind: Kind, *, one_snapshot: bool = False) -> Generator[Session]:
        """A transaction for reading, on a replica if the kind of question and the replica's state allow it.

        Raises:
            StoreUnavailable: no server that may answer does.
        """
        with ExitStack() as stack:
            yield self._open(stack, tenant_id, kind, one_snapshot=one_snapshot)

    def replicas(self) -> list[ReplicaHealth]:
        """All replicas as they were seen last."""
        return [ReplicaHealth(place=replica.place, behind_s=self._behind_s(replica)) for replica in self._replicas]

    def close(self) -> None:
        """Close all connections."""
        self._closing.set()
        for engine in (self.primary, *(replica.engine for replica in self._replicas)):
            engine.dispose()

    def _open(self, stack: ExitStack, tenant_id: int, kind: Kind, *, one_snapshot: bool) -> Session:
        for replica in self._fresh_enough(TOLERATED_S[kind]):
            try:
                session = stack.enter_context(transaction(replica.engine, tenant_id, one_snapshot=one_snapshot))
            except StoreUnavailable as error:
                replica.replayed = None
                _log.warning("A replica is left out", replica=replica.place, error=str(error))
            else:
                self.reads["replica"] += 1
                return session
        self.reads["primary"] += 1
        return stack.enter_context(transaction(self.primary, tenant_id, one_snapshot=one_snapshot))

    def _fresh_enough(self, tolerated_s: float) -> list["_Replica"]:
        ages = [(replica, self._behind_s(replica)) for replica in self._replicas]
        fresh = [replica for replica, behind_s in ages if behind_s is not None and behind_s <= tolerated_s]
        random.shuffle(fresh)
        return fresh

    def _behind_s(self, replica: "_Replica") -> float | None:
        """The age of the newest state that it is known to have reached."""
        replayed = replica.replayed
        if replayed is None:
            return None
        reached_s = (at_s for at_s, position in reversed(list(self._positions)) if position <= replayed)
        newest_s = next(reached_s, None)
        return None if newest_s is None else time.monotonic() - newest_s

    def _watch(self) -> None:
        while not self._closing.is_set():
            # The primary first: what a replica has replayed after that moment is at least as old as the moment.
            now_s, position = time.monotonic(), _position(self.primary, _WRITTEN)
            if position is not None:
                self._positions.append((now_s, position))
            for replica in self._replicas:
                replica.replayed = _position(replica.engine, _REPLAYED)
            self._closing.wait(CHECK_EVERY_S)


class _Replica:
    def __init__(self, dsn: str, pool_size: int) -> None:
        self.engine = open_engine(dsn, pool_size=pool_size, replica=True)
        self.place = place_of(self.engine.url)
        self.replayed: int | None = None
        """How far it has replayed the primary's log; None: it does not answer, or is no replica any more."""


_WRITTEN: Final = text("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
_REPLAYED: Final = text("select pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint where pg_is_in_recovery()")


def _position(engine: Engine, query: TextClause) -> int | None:
    try:
        with engine.connect() as connection:
            return connection.scalar(query)
    except SQLAlchemyError:
        return None
