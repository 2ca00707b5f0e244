"""How a place with data is described."""

from dataclasses import dataclass, replace
from typing import Literal

Store = Literal["table", "redis", "queue", "files", "archive"]
Whose = Literal["user", "passer-by", "nobody"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Data of one sort in one place.

    Attributes:
        store: where it lies.
        name: of the table, the family in Redis, the queue, the kind of file, or the kind of rows in an archive.
        parts: the columns, of tables and archives.
        whose: of what people it says something.
        export: what is handed out of it.
        erase: what becomes of it, or why it stays.
    """

    store: Store = "table"
    name: str = ""
    parts: tuple[str, ...] = ()
    whose: Whose
    export: str = ""
    erase: str = ""

    def at(self, store: Store, name: str) -> "Place":
        """The same in this place."""
        return replace(self, store=store, name=name)


def user(parts: str = "", *, export: str, erase: str) -> Place:
    """Data of somebody with an account; columns in one string."""
    return Place(parts=tuple(parts.split()), whose="user", export=export, erase=erase)


def passer_by(parts: str = "", erase: str = "") -> Place:
    """Data of people whom a camera saw, and how long it stays."""
    return Place(parts=tuple(parts.split()), whose="passer-by", export="not: nobody knows who it was", erase=erase)


def nobody(parts: str = "") -> Place:
    """Data of things, sums and processes: it stays."""
    return Place(parts=tuple(parts.split()), whose="nobody")


def table(name: str, *places: Place) -> tuple[Place, ...]:
    """Data of one table."""
    return tuple(place.at("table", name) for place in places)
