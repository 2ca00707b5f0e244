"""What is left when rows have moved: partitions without a row, and files that nobody needs."""

import re
import time
from datetime import date
from typing import Final

from sqlalchemy import Connection, text

from actors.tiers.steps import Movers
from schema.database import transaction, unavailable_as_retryable
from schema.tiers import archives

TRIES: Final = 5
PAUSE_S: Final = 0.3
_DATED: Final = re.compile(r"_(\d{4})_(\d{2})(?:_(\d{2}))?$")


def passed_partitions(connection: Connection, *, before: date) -> list[tuple[str, str]]:
    """Tables and their partitions of days and months that have passed, and that may have become empty."""
    rows = connection.execute(_PARTITIONS)
    return [(row.parent, row.partition) for row in rows if _first_day(row.partition) < before]


def drop_partition(movers: Movers, parent: str, partition: str) -> bool:
    """Drop a partition if it is empty; whether it was. A table that is in use all the time is left for the next run."""
    for _ in range(TRIES):
        with unavailable_as_retryable(movers.engine), movers.engine.begin() as connection:
            answer = connection.scalar(_DROP, {"parent": parent, "partition": partition})
        if answer == "dropped":
            movers.tell(f"dropped {partition}, which was empty")
            return True
        if answer != "in use":
            return False
        time.sleep(PAUSE_S)
    return False


def remove_file(movers: Movers, tenant_id: int, archive_id: int, path: str) -> None:
    """Remove a file that nobody needs, and strike it off the list.

    Raises:
        StoreUnavailable: the file store does not answer; safe to repeat.
        Permanent: it refuses us, or is gone.
    """
    movers.files.delete(path)
    movers.tell(f"removed {path}")
    with transaction(movers.engine, tenant_id) as session:
        archives.forget(session, archive_id)


def _first_day(partition: str) -> date:
    """By its name; one without a date never passes."""
    found = _DATED.search(partition)
    return date(int(found[1]), int(found[2]), int(found[3] or 1)) if found else date.max


_DROP: Final = text("select drop_passed_partition(:parent, :partition)")
_PARTITIONS: Final = text(
    "select p.relname as parent, c.relname as partition"
    " from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent"
    " where p.relname in ('counting_results', 'crossings', 'camera_events')"
    " and p.relnamespace = 'public'::regnamespace order by 1, 2"
)
