"""MOTChallenge text files: ground truth (``gt.txt``) and public detections (``det.txt``).

One box a line, comma-separated: ``frame, id, left, top, width, height, conf, x, y, z``. Frames count from 1, boxes are
in pixels, id is -1 where nobody is named. Source: A. Milan et al., "MOT16: A Benchmark for Multi-Object Tracking",
2016, section 3.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schema.errors import BadInput

_COLUMNS = 6
"""Columns that every row must have; a missing seventh, the confidence, means 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MotFile:
    """The rows of one file in order of frames; all arrays have the same length N.

    ``frame`` int64 (N,) from 1; ``id`` int64 (N,); ``boxes`` float64 (N, 4): left, top, right, bottom in pixels;
    ``conf`` float64 (N,): as written, 0..1 in detection files, 0 marks a row of ground truth to be ignored.
    """

    frame: NDArray[np.int64]
    id: NDArray[np.int64]
    boxes: NDArray[np.float64]
    conf: NDArray[np.float64]

    def by_frame(self, frames: int | None = None) -> Iterator[tuple[int, "MotFile"]]:
        """Give every frame number from 1 to ``frames`` (or the last in the file) and its rows, empty ones too."""
        last = frames if frames is not None else int(self.frame[-1])
        edges = np.searchsorted(self.frame, np.arange(1, last + 2))
        for number in range(1, last + 1):
            yield number, self.rows(slice(int(edges[number - 1]), int(edges[number])))

    def rows(self, which: slice | NDArray[np.bool_]) -> "MotFile":
        """Some of the rows."""
        return MotFile(frame=self.frame[which], id=self.id[which], boxes=self.boxes[which], conf=self.conf[which])


def read_mot(path: str | Path) -> MotFile:
    """Read a MOTChallenge text file.

    Raises:
        BadInput: the file is missing, empty, or has a line that is not MOTChallenge text.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(f"there is no file '{path}': give the path of a MOTChallenge text file") from None
    except UnicodeDecodeError:
        raise BadInput(f"'{path}' is not a text file: give a MOTChallenge text file") from None
    except OSError as error:
        raise BadInput(f"cannot read '{path}' ({error.strerror}): give a readable MOTChallenge text file") from None
    rows = [_row(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not rows:
        raise BadInput(f"'{path}' has no boxes: give a MOTChallenge text file with at least one line")
    table = np.array(rows, np.float64)
    table = table[np.argsort(table[:, 0], kind="stable")]
    corners = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    return MotFile(
        frame=table[:, 0].astype(np.int64), id=table[:, 1].astype(np.int64), boxes=corners, conf=table[:, 6].copy()
    )


def _row(path: str | Path, number: int, line: str) -> list[float]:
    where = f"line {number} of '{path}'"
    try:
        values = [float(cell) for cell in line.split(",")]
    except ValueError:
        raise BadInput(
            f"{where} is not MOTChallenge text: write frame,id,left,top,width,height,conf as numbers"
        ) from None
    if len(values) < _COLUMNS:
        raise BadInput(f"{where} has {len(values)} columns: write frame,id,left,top,width,height,conf")
    row = [*values, 1.0][: _COLUMNS + 1]
    if not np.isfinite(row).all():
        raise BadInput(f"{where} has a number that is not finite: write plain numbers")
    if row[0] < 1 or row[0] != int(row[0]):
        raise BadInput(f"{where} has frame {row[0]:g}: count frames from 1")
    if row[4] <= 0 or row[5] <= 0:
        raise BadInput(f"{where} has a box of {row[4]:g} x {row[5]:g}: give a width and a height above 0")
    return row
