"""A camera's counting state as bytes, in NumPy's own format without pickle; floats come back to the last bit."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from actors.counting.side import SIDE
from actors.counting.track_log import Change, RuleKey, RuleLog, TrackLog, rule_key
from actors.counting.tracker import ROW
from schema.geometry import Rule, Scene

FORMAT = 1
"""Changes with what the logs hold; a snapshot of another format, or with other columns, is refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """All that a camera's counting depends on.

    ``rows`` is ROW (N,), slot and birth number left at 0, for they name a place in one session. ``at_line`` and
    ``at_zone`` are SIDE (N, R), a column for each of ``lines`` and ``zones``. ``logs`` go by index of the row.
    """

    camera_id: int
    epoch: str
    model: str
    confirmed: int
    aspect: float
    lines: tuple[RuleKey, ...]
    zones: tuple[RuleKey, ...]
    rows: NDArray[np.void]
    at_line: NDArray[np.void]
    at_zone: NDArray[np.void]
    logs: Mapping[int, TrackLog]


def pack(snapshot: Snapshot) -> bytes:
    """Write a snapshot."""
    meta = {
        "format": FORMAT,
        "camera_id": snapshot.camera_id,
        "epoch": snapshot.epoch,
        "model": snapshot.model,
        "confirmed": snapshot.confirmed,
        "aspect": snapshot.aspect,
        "lines": snapshot.lines,
        "zones": snapshot.zones,
        "logs": {row: _log_out(log) for row, log in snapshot.logs.items()},
    }
    out = io.BytesIO()
    text = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez(out, meta=text, rows=snapshot.rows, at_line=snapshot.at_line, at_zone=snapshot.at_zone)
    return out.getvalue()


def unpack(state: bytes, scene: Scene) -> Snapshot:
    """Read a snapshot; what belongs to rules that ``scene`` does not have is left out of the logs.

    Raises:
        ValueError: these bytes are not a snapshot, or one of another format.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            meta = json.loads(arrays["meta"].tobytes())
            rows, at_line, at_zone = arrays["rows"], arrays["at_line"], arrays["at_zone"]
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise ValueError("these bytes are not a counting snapshot") from error
    if (meta["format"], rows.dtype, at_line.dtype, at_zone.dtype) != (FORMAT, ROW, SIDE, SIDE):
        raise ValueError(f"the counting snapshot was written by another version, format {meta['format']}")
    rules = {rule_key(rule): rule for rule in scene.rules}
    return Snapshot(
        camera_id=meta["camera_id"],
        epoch=meta["epoch"],
        model=meta["model"],
        confirmed=meta["confirmed"],
        aspect=meta["aspect"],
        lines=tuple((name, version) for name, version in meta["lines"]),
        zones=tuple((name, version) for name, version in meta["zones"]),
        rows=rows,
        at_line=at_line,
        at_zone=at_zone,
        logs={int(row): _log_in(log, rules) for row, log in meta["logs"].items()},
    )


def _log_out(log: TrackLog) -> dict[str, Any]:
    return {
        "waiting": [(rule_key(change.rule), _without_rule(change)) for change in log.waiting],
        "rules": [
            [*key, at.ordinal, at.entered_ns, [[way, ns, str(event)] for way, ns, event in at.open]]
            for key, at in log.rules.items()
        ],
    }


def _without_rule(change: Change) -> dict[str, Any]:
    return {each.name: getattr(change, each.name) for each in fields(change) if each.name != "rule"}


def _log_in(log: Mapping[str, Any], rules: Mapping[RuleKey, Rule]) -> TrackLog:
    return TrackLog(
        waiting=[
            Change(rule=rules[name, version], **change)
            for (name, version), change in log["waiting"]
            if (name, version) in rules
        ],
        rules={
            (name, version): RuleLog(
                ordinal=ordinal, entered_ns=entered_ns, open=[(way, ns, UUID(event)) for way, ns, event in still_open]
            )
            for name, version, ordinal, entered_ns, still_open in log["rules"]
            if (name, version) in rules
        },
    )
