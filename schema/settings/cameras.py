"""Cameras in the settings, with their lines and zones."""

from collections.abc import Mapping
from typing import Annotated, Any, cast

from pydantic import Field, field_validator, model_validator

from schema.camera import DEFAULT_DETECT_FPS, CameraSpec
from schema.errors import BadInput
from schema.geometry import DEFAULT_U_TURN_S, Anchor, Line, Point, Scene, Zone
from schema.settings.part import Part


class RuleSettings(Part):
    """A line (x1,y1,x2,y2) or a zone (x,y,x,y,x,y,…); a bare list or ``"0.5,0,0.5,1"`` stands for its coordinates."""

    coordinates: tuple[float, ...]
    anchor: Anchor = "foot"
    u_turn_s: float = DEFAULT_U_TURN_S

    @model_validator(mode="before")
    @classmethod
    def _bare_coordinates(cls, given: Any) -> Any:
        return cast(Any, given) if isinstance(given, Mapping) else {"coordinates": given}

    @field_validator("coordinates", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return given.split(",") if isinstance(given, str) else given

    def zone(self, name: str) -> Zone:
        """The coordinates as a zone.

        Raises:
            BadInput: no such zone is possible.
        """
        return Zone(name=name, polygon=_points("zone", name, self), anchor=self.anchor, u_turn_s=self.u_turn_s)


class LineSettings(RuleSettings):
    """A line; ``flip`` swaps in and out."""

    flip: bool = False

    def line(self, name: str) -> Line:
        """The coordinates as a line.

        Raises:
            BadInput: no such line is possible.
        """
        points = _points("line", name, self)
        if len(points) != 2:
            raise BadInput(f"line '{name}' needs four numbers x1,y1,x2,y2, got {len(self.coordinates)}")
        return Line(name=name, a=points[0], b=points[1], flip=self.flip, anchor=self.anchor, u_turn_s=self.u_turn_s)


class CameraSettings(Part):
    """One camera: ``source`` is an RTSP or HTTP URL or the path of a video file, which then plays over and over."""

    source: Annotated[str, Field(min_length=1, repr=False)]
    detect_fps: Annotated[float, Field(gt=0, le=1000)] | None = DEFAULT_DETECT_FPS
    """Frames a second that go to the detector; ``all`` (None here) for every frame."""
    enabled: bool = True
    evidence: bool = True
    """Whether a picture of each crossing is kept."""
    friendly_name: str = ""
    lines: Mapping[str, LineSettings] = {}
    zones: Mapping[str, RuleSettings] = {}

    @field_validator("detect_fps", mode="before")
    @classmethod
    def _all_frames(cls, given: Any) -> Any:
        return None if given == "all" else given

    @model_validator(mode="after")
    def _has_a_possible_scene(self) -> "CameraSettings":
        try:
            _ = self.scene
        except BadInput as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def scene(self) -> Scene:
        """The rules as values."""
        return Scene(
            lines=tuple(rule.line(name) for name, rule in self.lines.items()),
            zones=tuple(rule.zone(name) for name, rule in self.zones.items()),
        )

    def spec(self, *, camera_id: int, name: str) -> CameraSpec:
        """This camera under the id that the store gave it."""
        return CameraSpec(id=camera_id, name=name, source=self.source, scene=self.scene, detect_fps=self.detect_fps)


def _points(kind: str, name: str, rule: RuleSettings) -> tuple[Point, ...]:
    given = rule.coordinates
    if len(given) % 2:
        raise BadInput(f"{kind} '{name}' has an odd count of coordinates ({len(given)}): give x,y pairs")
    try:
        return tuple(Point(x=x, y=y) for x, y in zip(given[::2], given[1::2], strict=True))
    except BadInput as error:
        raise BadInput(f"{kind} '{name}': {error}") from None
