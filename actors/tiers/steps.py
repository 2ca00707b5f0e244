"""What moving takes and tells: one step at a time, each by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine

from schema.ports import FileStore

Action = Literal["pack", "archive", "merge", "drop", "remove"]
"""Hot minutes → packed days; rows → a month's file; months' files → a year's; an empty partition; an unneeded file."""

Told = Callable[[str], None]
"""Takes a sentence about how far a step has come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Something that is to be done, or was.

    Attributes:
        action: what is done.
        tenant_id: for whom; None for partitions, which all tenants share.
        what: the kind of rows, or the name of a partition or file.
        period: a day, month or year; empty where there is none.
        rows: how many rows it moves.
        error: why it could not be done; None if it was, or was not tried.
    """

    action: Action
    tenant_id: int | None
    what: str
    period: str = ""
    rows: int = 0
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Movers:
    """What every step needs: the database, the file store, the time, and somebody to tell."""

    engine: Engine
    files: FileStore
    now_ns: int
    tell: Told
