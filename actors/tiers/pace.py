"""Going slowly, so that whoever counts people gets through."""

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

SHARE: Final = 0.5
"""Of the time, the most that moving rows works; it rests the remainder."""

Piece = TypeVar("Piece")


def resting(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same pieces of work, with rests between them that are as long as making and using the last one took."""
    begun = time.monotonic()
    for piece in pieces:
        yield piece
        time.sleep((time.monotonic() - begun) * (1 - SHARE) / SHARE)
        begun = time.monotonic()
