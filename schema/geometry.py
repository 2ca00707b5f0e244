"""Lines and zones, as frozen values that cannot be wrong.

Coordinates are normalised: x 0..1 to the right, y 0..1 downwards. For someone who walks along a line from ``a`` to
``b``, "in" is from the left-hand to the right-hand side::

        a                  Drawn top to bottom, the walker's right hand
        |                  is the left of the screen, so "in" is
    <---|--- in            towards screen left. ``flip`` swaps it.
        b
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Literal

from schema.errors import BadInput

Anchor = Literal["foot", "center"]
"""The point of a person that a rule follows: bottom centre of the box, or its middle."""

DEFAULT_U_TURN_S = 10.0

_SMALLEST_AREA = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A point of the picture, both coordinates in 0..1."""

    x: float
    y: float

    def __post_init__(self) -> None:
        """Refuse coordinates that are not in the picture."""
        for value in (self.x, self.y):
            if not (isfinite(value) and 0.0 <= value <= 1.0):
                raise BadInput(
                    f"coordinate {value:g} is outside 0..1: give fractions of the picture's width and height"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A directed segment a -> b that people cross.

    ``id`` and ``version`` name the stored version of this line; 0 and 1 where there is no store.
    """

    name: str
    a: Point
    b: Point
    flip: bool = False
    anchor: Anchor = "foot"
    u_turn_s: float = DEFAULT_U_TURN_S
    id: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        """Refuse a nameless line and one without length."""
        _check_name("line", self.name)
        _check_u_turn("line", self.name, self.u_turn_s)
        if self.a == self.b:
            raise BadInput(f"line '{self.name}' starts and ends at the same point: give two different points")


@dataclass(frozen=True, kw_only=True, slots=True)
class Zone:
    """A simple polygon that people enter, stay in and leave. The last corner joins the first by itself."""

    name: str
    polygon: tuple[Point, ...]
    anchor: Anchor = "foot"
    u_turn_s: float = DEFAULT_U_TURN_S
    id: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        """Refuse polygons with too few corners or crossing edges."""
        _check_name("zone", self.name)
        _check_u_turn("zone", self.name, self.u_turn_s)
        if len(set(self.polygon)) != len(self.polygon):
            raise BadInput(f"zone '{self.name}' names a corner twice: give each corner once")
        if len(self.polygon) < 3:
            raise BadInput(f"zone '{self.name}' has {len(self.polygon)} corners: give at least three")
        if _area(self.polygon) < _SMALLEST_AREA:
            raise BadInput(f"zone '{self.name}' has no area: its corners lie on one line")
        if _crosses_itself(self.polygon):
            raise BadInput(f"zone '{self.name}' crosses itself: order its corners around the edge")


Rule = Line | Zone
"""What a camera counts by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """All rules of one camera; names are unique across lines and zones."""

    lines: tuple[Line, ...] = ()
    zones: tuple[Zone, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a repeated name."""
        for name, times in Counter(rule.name for rule in self.rules).items():
            if times > 1:
                raise BadInput(f"the name '{name}' is used {times} times: give every line and zone its own name")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Lines, then zones."""
        return (*self.lines, *self.zones)

    def with_rule(self, rule: Rule) -> "Scene":
        """This scene with the rule added, or put in place of the one that has its name."""
        rest = self.without(rule.name)
        if isinstance(rule, Line):
            return Scene(lines=(*rest.lines, rule), zones=rest.zones)
        return Scene(lines=rest.lines, zones=(*rest.zones, rule))

    def without(self, name: str) -> "Scene":
        """This scene without the rule of this name."""
        return Scene(
            lines=tuple(line for line in self.lines if line.name != name),
            zones=tuple(zone for zone in self.zones if zone.name != name),
        )


def parse_line(text: str) -> Line:
    """Read ``name=x1,y1,x2,y2``.

    Raises:
        BadInput: the text has another form, or describes an impossible line.
    """
    name, points = _parse("line", text, "door=0.5,0,0.5,1")
    if len(points) != 2:
        raise BadInput(f"line '{name}' needs four numbers x1,y1,x2,y2, got {2 * len(points)}")
    return Line(name=name, a=points[0], b=points[1])


def parse_zone(text: str) -> Zone:
    """Read ``name=x,y,x,y,x,y,…``.

    Raises:
        BadInput: the text has another form, or describes an impossible polygon.
    """
    name, points = _parse("zone", text, "hall=0.1,0.1,0.9,0.1,0.5,0.9")
    return Zone(name=name, polygon=tuple(points))


def _parse(kind: str, text: str, example: str) -> tuple[str, list[Point]]:
    name, equals, numbers = text.partition("=")
    if not equals:
        raise BadInput(f"{kind} '{text}' has no name: write it like {example}")
    try:
        values = [float(number) for number in numbers.split(",")]
    except ValueError:
        raise BadInput(f"{kind} '{name}' has a coordinate that is not a number: write it like {example}") from None
    if len(values) % 2:
        raise BadInput(f"{kind} '{name}' has an odd count of numbers ({len(values)}): give x,y pairs like {example}")
    try:
        return name.strip(), [Point(x=x, y=y) for x, y in zip(values[::2], values[1::2], strict=True)]
    except BadInput as error:
        raise BadInput(f"{kind} '{name}': {error}") from None


def _check_name(kind: str, name: str) -> None:
    if not name or len(name) > 64 or any(not (c.isalnum() or c in "-_ ") for c in name):
        raise BadInput(f"{kind} name '{name}' is not usable: take 1 to 64 letters, digits, '-', '_' or spaces")


def _check_u_turn(kind: str, name: str, u_turn_s: float) -> None:
    if not (isfinite(u_turn_s) and u_turn_s >= 0):
        raise BadInput(f"{kind} '{name}' has u_turn_s {u_turn_s:g}: give seconds, 0 or more")


def _area(corners: Sequence[Point]) -> float:
    """Area covered, by triangles from the first corner; 0 only where all corners lie on one line."""
    first = corners[0]
    return sum(abs(_turn(first, p, q)) for p, q in pairwise(corners)) / 2


def _crosses_itself(corners: Sequence[Point]) -> bool:
    count = len(corners)
    edges = [(corners[i], corners[(i + 1) % count]) for i in range(count)]
    for i in range(count):
        for j in range(i + 1, count):
            adjacent = j == i + 1 or (i == 0 and j == count - 1)
            if not adjacent and _segments_touch(*edges[i], *edges[j]):
                return True
    # Neighbouring edges share a corner; they overlap only where the path turns straight back on itself.
    return any(
        _turn(corners[i - 1], corners[i], corners[(i + 1) % count]) == 0
        and _ahead(corners[i - 1], corners[i], corners[(i + 1) % count]) < 0
        for i in range(count)
    )


def _turn(p: Point, q: Point, r: Point) -> float:
    return (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x)


def _ahead(p: Point, q: Point, r: Point) -> float:
    return (q.x - p.x) * (r.x - q.x) + (q.y - p.y) * (r.y - q.y)


def _segments_touch(p: Point, q: Point, r: Point, s: Point) -> bool:
    d1, d2, d3, d4 = _turn(r, s, p), _turn(r, s, q), _turn(p, q, r), _turn(p, q, s)
    if d1 * d2 < 0 and d3 * d4 < 0:
        return True
    return any(
        d == 0 and min(u.x, v.x) <= w.x <= max(u.x, v.x) and min(u.y, v.y) <= w.y <= max(u.y, v.y)
        for d, u, v, w in ((d1, r, s, p), (d2, r, s, q), (d3, p, q, r), (d4, p, q, s))
    )
