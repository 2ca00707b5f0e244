"""The ``FileStore`` port over fsspec: one class for folders and S3 buckets.

A file with a checksum for a name is written once and never changes: ``ab/cd/abcd…``. Areas with names of their own
(archives, exports) are folders beside those, and belong to whoever writes them. Writing is atomic in both: on S3 a
file appears when its upload is complete, in a folder it is renamed when it is whole and on the disk.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

from schema.errors import BadInput, NotFound, Permanent
from schema.ports import FileInfo, Stored
from schema.storage.trouble import classed
from schema.times import to_ns

CHUNK_BYTES = 256 * 1024
INCOMING = ".incoming"
"""In a folder: files that are not whole yet. What a crash left there is nobody's."""
_PATH = re.compile(r"[\w.=-]+(/[\w.=-]+)*")


def content_path(sha256: str) -> str:
    """Where the content with this checksum lies: two levels keep a folder's size in bounds."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


@dataclass(frozen=True, kw_only=True)
class FsspecStore:
    """Files below ``root`` of an fsspec file system.

    ``fs`` and ``root`` may be used directly to read: ``fs.open(f"{root}/{path}")``. ``place`` names the store for
    people, without credentials. ``local`` is the folder, None on S3.
    """

    fs: Any
    root: str
    place: str
    local: Path | None

    def check(self) -> None:
        """Make sure that files can be kept here; makes the folder where there is none yet.

        Raises:
            BadInput: the bucket is not there, or the store refuses us.
            StoreUnavailable: it does not answer.
        """
        probe = f".check-{uuid4().hex}"
        try:
            self.write(probe, b"turnstile")
            self.delete(probe)
        except Permanent as error:
            raise BadInput(str(error)) from error

    def put(self, content: bytes | BinaryIO, *, mime_type: str) -> Stored:
        """Keep content under its checksum, as ``FileStore.put``."""
        with self._staged(content) as (whole, sha256, size):
            path = content_path(sha256)
            self._save(whole, path, mime_type)
        return Stored(path=path, sha256=sha256, size=size)

    def write(self, path: str, content: bytes | BinaryIO, *, mime_type: str = "application/octet-stream") -> Stored:
        """Write a file under a name of its own, as ``FileStore.write``."""
        with self._staged(content) as (whole, sha256, size):
            self._save(whole, path, mime_type)
        return Stored(path=path, sha256=sha256, size=size)

    def open(self, path: str) -> BinaryIO:
        """A file for reading, as ``FileStore.open``."""
        with self._classed(path):
            return cast(BinaryIO, self.fs.open(self._full(path), "rb"))

    def read(self, path: str, *, sha256: str | None = None) -> Iterator[bytes]:
        """A file piece by piece, as ``FileStore.read``."""
        return self._pieces(self.open(path), path, sha256)

    def url(self, path: str, *, expires_s: int) -> str | None:
        """A signed address, as ``FileStore.url``."""
        if self.local is not None:
            return None
        with self._classed(path):
            return str(self.fs.url(self._full(path), expires=expires_s))

    def exists(self, path: str) -> bool:
        """Whether a file is there, as ``FileStore.exists``."""
        return self.info(path) is not None

    def info(self, path: str) -> FileInfo | None:
        """Size and age of a file, as ``FileStore.info``."""
        try:
            with self._classed(path):
                return _info(path, self.fs.info(self._full(path)))
        except NotFound:
            if self.local is None:
                # S3 says of a file in a bucket that is gone just what it says of a file that is gone.
                with self._classed(path):
                    self.fs.ls(self.root.partition("/")[0])
            return None

    def delete(self, path: str) -> None:
        """Remove a file, as ``FileStore.delete``."""
        try:
            with self._classed(path):
                self.fs.rm_file(self._full(path))
        except NotFound:
            return

    def list(self, prefix: str) -> Iterator[FileInfo]:
        """All files of an area, as ``FileStore.list``."""
        with self._classed(prefix):
            found = cast(dict[str, dict[str, Any]], self.fs.find(self._full(prefix), detail=True))
        start = len(self.root.rstrip("/")) + 1
        for full, info in sorted(found.items()):
            yield _info(full[start:], info)

    @contextmanager
    def _staged(self, content: bytes | BinaryIO) -> Iterator[tuple[bytes | Path, str, int]]:
        """Content that is whole and whose checksum is known: itself, or a file that is gone afterwards."""
        if isinstance(content, bytes) and self.local is None:
            yield content, hashlib.sha256(content).hexdigest(), len(content)
            return
        with self._classed("incoming"):
            folder = Path(tempfile.gettempdir()) if self.local is None else self.local / INCOMING
            folder.mkdir(parents=True, exist_ok=True)
            staged = folder / uuid4().hex
        try:
            with self._classed("incoming"):
                sha256, size = _copy(content, staged)
            yield staged, sha256, size
        finally:
            staged.unlink(missing_ok=True)

    def _save(self, whole: bytes | Path, path: str, mime_type: str) -> None:
        full = self._full(path)
        with self._classed(path):
            if isinstance(whole, bytes):
                self.fs.pipe_file(full, whole, ContentType=mime_type)
            elif self.local is None:
                self.fs.put_file(str(whole), full, ContentType=mime_type)
            else:
                _rename(whole, Path(full))

    def _pieces(self, file: BinaryIO, path: str, sha256: str | None) -> Iterator[bytes]:
        seen = hashlib.sha256()
        with file:
            while True:
                with self._classed(path):
                    piece = file.read(CHUNK_BYTES)
                if not piece:
                    break
                if sha256 is not None:
                    seen.update(piece)
                yield piece
        if sha256 is not None and seen.hexdigest() != sha256:
            raise Permanent(f"file '{path}' in {self.place} is damaged: its checksum is not {sha256[:12]}…")

    def _full(self, path: str) -> str:
        if not _PATH.fullmatch(path) or ".." in path.split("/"):
            raise ValueError(f"'{path}' is not a path within the storage")
        return f"{self.root.rstrip('/')}/{path}"

    def _classed(self, path: str):
        return classed(self.place, path)


def _copy(content: bytes | BinaryIO, to: Path) -> tuple[str, int]:
    """Write content to a file, down to the disk; its checksum and size."""
    with to.open("xb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            shutil.copyfileobj(content, file, CHUNK_BYTES)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    with to.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), size


def _rename(whole: Path, path: Path) -> None:
    """Give a whole file its name, down to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _info(path: str, info: dict[str, Any]) -> FileInfo:
    changed = info.get("LastModified") or datetime.fromtimestamp(info["mtime"], UTC)
    return FileInfo(path=path, size=info["size"], changed_ns=to_ns(changed))
