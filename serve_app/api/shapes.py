"""What clients send and read about cameras, lines and zones. A camera is written as in the settings file."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from schema.cache.statuses import CameraNow
from schema.camera import Playback
from schema.errors import BadInput
from schema.geometry import Anchor, Line, Rule, Zone
from schema.queries.cameras import Camera
from schema.queries.versions import RuleVersion
from schema.settings import CameraSettings, LineSettings, RuleSettings
from schema.sources import check_source, redact
from schema.times import to_datetime
from schema.work import CameraState

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
CameraName = Annotated[str, Field(pattern=NAME_PATTERN, examples=["lobby"])]
RuleName = Annotated[str, Field(pattern=r"^[\w -]{1,64}$", examples=["door"])]
HIDDEN = "***"

_LINE = {"kind": "line", "coordinates": [0.5, 0.0, 0.5, 1.0]}
_ZONE = {"kind": "zone", "coordinates": [0.1, 0.1, 0.9, 0.1, 0.5, 0.9]}
_CAMERA = {
    "source": "rtsp://viewer:secret@10.0.0.7/stream1",
    "friendly_name": "Lobby, north door",
    "detect_fps": 8,
    "lines": {"door": {"coordinates": [0.5, 0.0, 0.5, 1.0]}},
    "zones": {"hall": {"coordinates": [0.1, 0.1, 0.9, 0.1, 0.5, 0.9]}},
}


class CameraBody(CameraSettings):
    """A camera as the settings file has it. Leaving out both ``lines`` and ``zones`` keeps those that are there."""

    model_config = ConfigDict(json_schema_extra={"example": _CAMERA})

    @field_validator("source")
    @classmethod
    def _possible(cls, source: str) -> str:
        try:
            check_source(source)
        except BadInput as error:
            raise ValueError(str(error)) from error
        return source

    @field_validator("friendly_name")
    @classmethod
    def _printable(cls, given: str) -> str:
        if not given.isprintable():
            raise ValueError("has a line break or another sign that does not print: take it out")
        return given

    @property
    def says_scene(self) -> bool:
        """Whether lines or zones were given at all."""
        return bool({"lines", "zones"} & self.model_fields_set)

    def real_source(self, current: str | None) -> str:
        """The source to store; what an answer shows, with its password hidden, stands for the ``current`` one.

        Raises:
            BadInput: the source has a hidden password that nobody can fill in.
        """
        if current is not None and self.source == redact(current):
            return current
        if f"{HIDDEN}@" in self.source or f"={HIDDEN}" in self.source:
            raise BadInput("the source's password is hidden: give the whole URL, or the source just as it is answered")
        return self.source


class NewCamera(CameraBody):
    """A camera with its name."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "lobby", **_CAMERA}})

    name: CameraName


class LineBody(LineSettings):
    """A line x1,y1,x2,y2; "in" is towards the right-hand side of someone walking along it, ``flip`` swaps that."""

    model_config = ConfigDict(json_schema_extra={"example": _LINE})

    kind: Literal["line"]

    def rule(self, name: str) -> Line:
        """As a value.

        Raises:
            BadInput: no such line is possible.
        """
        return self.line(name)


class ZoneBody(RuleSettings):
    """A polygon x,y,x,y,x,y,… that does not cross itself."""

    model_config = ConfigDict(json_schema_extra={"example": _ZONE})

    kind: Literal["zone"]

    def rule(self, name: str) -> Zone:
        """As a value.

        Raises:
            BadInput: no such zone is possible.
        """
        return self.zone(name)


class NewLine(LineBody):
    """A line with its name."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "door", **_LINE}})

    name: RuleName


class NewZone(ZoneBody):
    """A zone with its name."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "hall", **_ZONE}})

    name: RuleName


class RuleAnswer(BaseModel):
    """One version of a line or zone. Crossings keep the ``id`` of the version that counted them."""

    id: int
    name: str
    kind: Literal["line", "zone"]
    version: int
    coordinates: tuple[float, ...]
    flip: bool | None = None
    anchor: Anchor
    u_turn_s: float

    @classmethod
    def of(cls, rule: Rule) -> "RuleAnswer":
        """From the value."""
        corners = (rule.a, rule.b) if isinstance(rule, Line) else rule.polygon
        return cls(
            id=rule.id,
            name=rule.name,
            kind="line" if isinstance(rule, Line) else "zone",
            version=rule.version,
            coordinates=tuple(value for corner in corners for value in (corner.x, corner.y)),
            flip=rule.flip if isinstance(rule, Line) else None,
            anchor=rule.anchor,
            u_turn_s=rule.u_turn_s,
        )


class VersionAnswer(RuleAnswer):
    """A version of a line or zone, and when it was in force."""

    created_at: datetime
    retired_at: datetime | None

    @classmethod
    def of_version(cls, version: RuleVersion) -> "VersionAnswer":
        """From the value."""
        return cls(
            **RuleAnswer.of(version.rule).model_dump(),
            created_at=version.created_at,
            retired_at=version.retired_at,
        )


class CameraNowAnswer(BaseModel):
    """A camera as its worker last said, a second or so ago; ``lag_s`` is how far counting is behind the picture."""

    state: CameraState
    reason: str
    fps: float
    lag_s: float
    last_frame: datetime | None

    @classmethod
    def of(cls, now: CameraNow) -> "CameraNowAnswer":
        """From the value."""
        last_frame = None if now.last_frame_ns is None else to_datetime(now.last_frame_ns)
        return cls(state=now.state, reason=now.reason, fps=now.fps, lag_s=now.lag_s, last_frame=last_frame)


class CameraAnswer(BaseModel):
    """A camera; the user name and password in its source are hidden.

    ``status`` is its last change of state, as stored. ``now`` is what its worker says, where somebody watches it.
    """

    id: int
    name: str
    friendly_name: str
    source: str
    playback: Playback
    enabled: bool
    detect_fps: float | Literal["all"]
    evidence: bool
    status: str
    now: CameraNowAnswer | None = None
    lines: Mapping[str, RuleAnswer]
    zones: Mapping[str, RuleAnswer]

    @classmethod
    def of(cls, camera: Camera, now: CameraNow | None = None) -> "CameraAnswer":
        """From the values."""
        return cls(
            id=camera.id,
            name=camera.name,
            friendly_name=camera.friendly_name,
            source=redact(camera.source),
            playback=camera.playback,
            enabled=camera.enabled,
            detect_fps="all" if camera.detect_fps is None else camera.detect_fps,
            evidence=camera.evidence,
            status=camera.status,
            now=None if now is None else CameraNowAnswer.of(now),
            lines={rule.name: RuleAnswer.of(rule) for rule in camera.scene.lines},
            zones={rule.name: RuleAnswer.of(rule) for rule in camera.scene.zones},
        )
