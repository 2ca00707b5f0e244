"""Recorded videos into the store: what to count is written to PostgreSQL, and the system takes it from there.

A video is its content: the second time the same one is counted for a camera, what was stored the first time is found,
and nothing is added. One that was interrupted goes on from its last checkpoint.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine, select

from actors.capture.sources import VideoInfo, fingerprint, probe
from cluster.catalogue import RECORDING
from cluster.video.count import CountResult, RuleCount
from schema.database import transaction
from schema.errors import BadInput, Permanent, StoreUnavailable
from schema.events import Crossing
from schema.geometry import Scene
from schema.queries import cameras, crossings, streams
from schema.queries.cameras import Camera
from schema.tables import CameraEventRow, StreamRow
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_datetime, to_text

MODEL = "model"
"""In a recorded camera's ``config``: the model that counted it."""
_POLL_S = 0.25
_PAGE = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One video under a tenant's camera; ``started_ns`` None means: as before, or else from the file's date."""

    path: Path
    camera: str
    scene: Scene
    started_ns: int | None = None
    tenant_id: int = DEFAULT_TENANT_ID


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """A recording that the system knows of. ``frames`` is an estimate, None where the file does not say."""

    path: Path
    camera: Camera
    epoch: str
    frames: int | None
    begun_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a recording has been counted and stored: up to frame ``seq``."""

    seq: int
    finished: bool


def begin(engine: Engine, recording: Recording, *, model: str, now_ns: int) -> Begun:
    """Tell the system to count a recording.

    Args:
        engine: the store.
        recording: what to count.
        model: the model that the system counts with.
        now_ns: the time.

    Raises:
        BadInput: the file is not video, the camera is a live one, there is nothing to count by, or the recording was
            counted before from another start or with another model.
    """
    info = probe(recording.path)
    epoch = fingerprint(recording.path)
    with transaction(engine, recording.tenant_id) as session:
        before = next((camera for camera in cameras.listing(session) if camera.name == recording.camera), None)
        camera = _camera(recording, before, epoch, model)
        stored = cameras.put(session, camera)
        known = streams.get(session, stored.id, epoch)
        if known is not None and recording.started_ns not in (None, known.started_ns):
            raise BadInput(
                f"'{recording.path}' was counted before as starting at {to_text(known.started_ns)}: leave --start out"
            )
        started_ns = recording.started_ns if recording.started_ns is not None else _started_ns(recording.path, info)
        stream = streams.start(session, stored.id, epoch, started_ns=started_ns, is_file=True)
        if known is not None and before is not None and before.scene.rules and before.scene != stored.scene:
            _count_again(before, model, recording)
            streams.restart(session, stored.id, epoch)
        stored = cameras.put(session, replace(stored, started_ns=stream.started_ns))
    return Begun(path=recording.path, camera=stored, epoch=epoch, frames=info.frames, begun_ns=now_ns)


def follow(engine: Engine, begun: Sequence[Begun]) -> Iterator[Mapping[int, Progress]]:
    """Progress by camera id, again and again until all recordings are finished.

    Raises:
        Permanent: a recording cannot be counted to its end.
    """
    while True:
        try:
            progress = {one.camera.id: _progress(engine, one) for one in begun}
        except StoreUnavailable:
            time.sleep(_POLL_S)
            continue
        yield progress
        if all(one.finished for one in progress.values()):
            return
        time.sleep(_POLL_S)


def result(engine: Engine, begun: Begun, *, seconds: float) -> CountResult:
    """What the store holds of a recording, now that it is finished."""
    scene = begun.camera.scene
    counts = {rule.id: RuleCount() for rule in scene.rules}
    for crossing in stored_crossings(engine, begun):
        if crossing.rule_id in counts:
            counts[crossing.rule_id] += crossing
    return CountResult(
        frames=_progress(engine, begun).seq,
        seconds=seconds,
        lines={line.name: counts[line.id] for line in scene.lines},
        zones={zone.name: counts[zone.id] for zone in scene.zones},
    )


def stored_crossings(engine: Engine, begun: Begun) -> list[Crossing]:
    """All crossings of a recording that are stored, in order of time."""
    found: list[Crossing] = []
    cursor: str | None = None
    while True:
        with transaction(engine, begun.camera.tenant_id) as session:
            page = crossings.page(
                session,
                camera_id=begun.camera.id,
                from_ns=begun.camera.started_ns,
                order="oldest",
                cursor=cursor,
                limit=_PAGE,
            )
        found += [crossing for crossing in page.crossings if crossing.epoch == begun.epoch]
        cursor = page.next_cursor
        if cursor is None:
            return found


def _camera(recording: Recording, before: Camera | None, epoch: str, model: str) -> Camera:
    scene = recording.scene
    if before is not None and before.playback != "recorded":
        raise BadInput(f"camera '{recording.camera}' is a live one: give the recording another name with --camera")
    if not scene.rules:
        scene = before.scene if before is not None else scene
    if not scene.rules:
        raise BadInput("there is nothing to count by: give a line like --line door=0.5,0,0.5,1")
    base = before or Camera(name=recording.camera, source="")
    return replace(
        base,
        source=str(recording.path.absolute()),
        playback="recorded",
        enabled=True,
        detect_fps=None,
        started_ns=recording.started_ns or base.started_ns,
        config={RECORDING: epoch, MODEL: model},
        scene=scene,
    )


def _count_again(before: Camera, model: str, recording: Recording) -> None:
    """A recording may be counted again by other rules, if the same people will be found as before."""
    if before.config.get(MODEL, model) != model:
        raise BadInput(
            f"'{recording.path}' was counted with {before.config[MODEL]}: take that model again, or give the recording "
            "another name with --camera"
        )


def _started_ns(path: Path, info: VideoInfo) -> int:
    """A recording's file was last written when it ended."""
    return path.stat().st_mtime_ns - round((info.duration_s or 0.0) * 1e9)


def _progress(engine: Engine, begun: Begun) -> Progress:
    with transaction(engine, begun.camera.tenant_id) as session:
        row = session.execute(
            select(StreamRow.checkpoint, StreamRow.finished).where(
                StreamRow.camera_id == begun.camera.id, StreamRow.epoch == begun.epoch
            )
        ).one()
        if not row.finished:
            failure = session.scalars(
                select(CameraEventRow)
                .where(
                    CameraEventRow.camera_id == begun.camera.id,
                    CameraEventRow.event_type == "failed",
                    CameraEventRow.timestamp >= to_datetime(begun.begun_ns),
                )
                .limit(1)
            ).first()
            if failure is not None:
                raise Permanent(f"'{begun.path}' cannot be counted: {failure.data.get('reason')}")
    return Progress(seq=row.checkpoint, finished=row.finished)
