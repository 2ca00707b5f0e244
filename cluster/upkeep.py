"""What the running system does for its database by itself: partitions made ahead, stray rows brought home."""

import threading
import time
from typing import Final

import structlog

from schema.database import open_engine
from schema.errors import StoreUnavailable
from schema.partitions import maintain

log = structlog.get_logger(__name__)

EVERY_S: Final = 3600.0
AGAIN_S: Final = 60.0
"""Until the next try where a table was in use, or PostgreSQL away."""


class PartitionUpkeep:
    """Any number may run at once: what one has made, the others find."""

    def __init__(self, dsn: str) -> None:
        """Connect when first needed."""
        self._engine = open_engine(dsn, pool_size=1)

    def step(self, now_ns: int) -> float:
        """Do what is due.

        Args:
            now_ns: nanoseconds since 1970 UTC.

        Returns:
            Seconds until the next step.
        """
        busy = False
        try:
            for outcome in maintain(self._engine, now_ns):
                table, first = outcome.action.table, outcome.action.span.first.isoformat()
                busy = busy or outcome.state == "busy"
                if outcome.state == "busy":
                    log.warning("A table is in use, its partition must wait", table=table, first=first)
                elif outcome.action.kind == "settle":
                    log.info("Rows moved out of the default partition", table=table, first=first, rows=outcome.moved)
        except StoreUnavailable as error:
            log.warning("Partitions wait", error=str(error))
            busy = True
        return AGAIN_S if busy else EVERY_S

    def run(self, stopping: threading.Event) -> None:
        """Step for ever; returns when ``stopping`` is set."""
        wait_s = 0.0
        while not stopping.wait(wait_s):
            try:
                wait_s = self.step(time.time_ns())
            except Exception:
                log.exception("Partitions failed, trying again")
                wait_s = AGAIN_S
        self._engine.dispose()
