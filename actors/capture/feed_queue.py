"""What a camera's feed has ready: frames and events, in order, with a bound and a policy for when it is full."""

import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

from schema.events import Coverage, Frame

FeedEventKind = Literal["connected", "lost", "refused", "ended", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedEvent:
    """News of a source.

    ``connected`` precedes the first frame of an epoch, and ``lost`` (it will be tried again) or ``ended`` (a recording
    is over) follows its last; ``watched`` is then the interval that the epoch's frames covered last. ``refused`` says
    that no connection could be made, once for each new reason. ``failed`` is final: this source cannot be watched.
    ``occurred_ns`` is wall-clock time, for recordings the time of the frame. ``reason`` holds no credentials.
    """

    kind: FeedEventKind
    epoch: str
    occurred_ns: int
    reason: str = ""
    watched: Coverage | None = None


class FeedQueue:
    """Frames and events in the order they came. One thread puts, another takes.

    With ``newest_wins`` a new frame takes the place of one that nobody has taken yet, and events are never dropped.
    Without, nothing is dropped: whoever puts waits while ``capacity`` items lie here.
    """

    def __init__(self, *, newest_wins: bool, capacity: int) -> None:
        self.skipped = 0
        """Frames with possible changes in them that gave way to newer ones."""
        self._newest_wins = newest_wins
        self._capacity = capacity
        self._items: deque[Frame | FeedEvent] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, item: Frame | FeedEvent) -> None:
        """Add an item; waits where the policy says so. Does nothing after ``close``."""
        with self._changed:
            if self._newest_wins and isinstance(item, Frame):
                item = self._replace_frame(item)
            else:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
            if not self._closed:
                self._items.append(item)

    def _replace_frame(self, frame: Frame) -> Frame:
        waiting = next((item for item in self._items if isinstance(item, Frame)), None)
        if waiting is None:
            return frame
        self._items.remove(waiting)
        if waiting.still:
            return frame
        self.skipped += 1
        # The change that was in the older frame has not been looked at: the newer one must be, still or not.
        return replace(frame, still=False)

    def take(self, limit: int) -> list[Frame | FeedEvent]:
        """Up to ``limit`` items, oldest first; never waits."""
        with self._changed:
            taken = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
            self._changed.notify()
        return taken

    def close(self) -> None:
        """Let everything go; whoever waits to put goes on without."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify()
