"""The seams of the system: what a part needs from another, without naming which one it is.

Every port has one contract test suite in ``tests/contracts``, run over every adapter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from schema.events import Committed, Delivery, Detections, Frame, FrameId


class FrameSource(Protocol):
    """One opened run of a source: frames of one stream epoch, in order."""

    @property
    def epoch(self) -> str:
        """The stream epoch: a file's content fingerprint, or a fresh id per connection of a live source."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Frames in order until the source ends.

        Raises:
            SourceLost: a live source went silent or broke; open it again for a new epoch.
            BadInput: a file is not readable as video.
        """
        ...

    def close(self) -> None:
        """Let go of the source; ends a blocked ``frames`` from another thread. May be called twice."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorSpec:
    """What a detector wants to be given: pictures of this size, letterboxed (``keep_aspect``) or stretched."""

    model: str
    width: int
    height: int
    keep_aspect: bool


class Detector(Protocol):
    """Finds people. Safe to call from several threads at once."""

    @property
    def spec(self) -> DetectorSpec:
        """What ``detect`` wants to be given."""
        ...

    def detect(self, batch: NDArray[np.uint8], ids: Sequence[FrameId]) -> list[Detections]:
        """Find people in a batch.

        Args:
            batch: uint8 (N, H, W, 3) RGB, H and W as in ``spec``.
            ids: which frames these are, one an image.

        Returns:
            One ``Detections`` an image, boxes normalised to the image given (padding included), weak ones
            (score >= 0.1) too: the tracker decides.

        Raises:
            DetectorUnavailable: it did not answer for now; calling again with the same batch is safe.
        """
        ...


class Store(Protocol):
    """The truth: stores deliveries exactly once."""

    def commit(self, deliveries: Sequence[Delivery]) -> Committed:
        """Store all deliveries, which are of one tenant, in one transaction.

        What is already there is left alone and not reported again.

        The fence: a delivery under the camera's current lease is stored. Under an older lease, a live delivery keeps
        its crossings that occurred before the current lease was granted (they were seen by the rightful holder), and
        nothing else; a file delivery is refused whole, because the new holder finds the same crossings again.
        Refused cameras are named in ``refused_camera_ids``. Crossings kept so late are counted, but leave a zone's
        occupancy alone: under a new lease it started from nobody inside.

        Raises:
            StoreUnavailable: nothing was stored; committing the same again is safe.
        """
        ...


class Sink(Protocol):
    """Somewhere that news of committed crossings goes: rebuildable, at least once, absolute numbers."""

    def publish(self, committed: Committed) -> None:
        """Pass the news on.

        Raises:
            StoreUnavailable: it did not arrive; publishing the same again is safe.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A file that was written: where it lies in the store, its SHA-256 in hex, its size in bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileInfo:
    """A file that lies in a store: its size in bytes, and when it was last written."""

    path: str
    size: int
    changed_ns: int


class FileStore(Protocol):
    """Files, by relative paths with forward slashes. Safe to call from several threads.

    All methods raise ``StoreUnavailable`` when the store does not answer or is full, and ``Permanent`` when it refuses
    us or is gone.
    """

    def put(self, content: bytes | BinaryIO, *, mime_type: str) -> Stored:
        """Keep content under its checksum (``ab/cd/abcd…``); the same content twice is one file, written anew."""
        ...

    def write(self, path: str, content: bytes | BinaryIO, *, mime_type: str = ...) -> Stored:
        """Write a file under a name of its own, in the place of one that is there; all of it appears, or nothing."""
        ...

    def open(self, path: str) -> BinaryIO:
        """A file for reading at any place of it; close it.

        Raises:
            NotFound: there is none.
        """
        ...

    def read(self, path: str, *, sha256: str | None = None) -> Iterator[bytes]:
        """A file piece by piece; it is looked for at once, not with the first piece.

        Raises:
            NotFound: there is none.
            Permanent: after the last piece, if a checksum was given and the file has another one.
        """
        ...

    def url(self, path: str, *, expires_s: int) -> str | None:
        """An address that anybody may read the file at for some seconds; None where there is no such thing."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""
        ...

    def info(self, path: str) -> FileInfo | None:
        """Size and age of a file; None where there is none."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; one that is not there is fine."""
        ...

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """All files below a folder, in order of their paths."""
        ...
