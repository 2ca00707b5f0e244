"""Writes output files whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schema.errors import BadInput


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; when the block ends well the file appears as ``path``, otherwise nothing does.

    Raises:
        BadInput: the place cannot be written to; said before any work is done.
    """
    if path.is_dir():
        raise BadInput(f"cannot write '{path}': it is a folder; give the name of a file")
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        part.touch()
    except OSError as exc:
        raise BadInput(f"cannot write '{path}' ({exc.strerror}): give a place that exists and can be written") from exc
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
