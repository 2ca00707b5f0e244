"""What counts over time need of minutes and intervals that have left PostgreSQL for files."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

Sums = tuple[Any, ...]
"""A version of a line or zone, the begin of a step in seconds since 1970, six sums, dwell in seconds, None."""

Interval = tuple[int, datetime, datetime]
"""A camera, and from when until when it was watched."""


class Archived(Protocol):
    """Where they are now. A session is a transaction of the tenant in one snapshot.

    Both methods raise ``Permanent`` and ``StoreUnavailable`` rather than give a part of the answer.
    """

    def counted(
        self, session: Session, zone_ids: Collection[int], *, from_at: datetime, to_at: datetime, step_s: int
    ) -> Sequence[Sums]:
        """What versions of lines and zones counted in ``from_at`` <= time < ``to_at``, by steps of so many seconds.

        Steps begin at multiples of their length since 1970. There may be several rows of a step.
        """
        ...

    def watched(
        self, session: Session, camera_ids: Collection[int], *, from_at: datetime, to_at: datetime
    ) -> Sequence[Interval]:
        """The intervals in which cameras were watched that have a part in ``from_at`` <= time < ``to_at``."""
        ...
