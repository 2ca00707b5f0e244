"""Draws what was counted over a picture: people and their trails, lines, zones, and the counts so far."""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cluster.video.count import Counted, RuleCount
from schema.events import Crossing, Direction, Track
from schema.geometry import Line, Point, Scene, Zone

Colour = tuple[int, int, int]
"""Red, green, blue."""

_IN: Colour = (74, 222, 128)
_OUT: Colour = (251, 146, 60)
_RULES: tuple[Colour, ...] = ((56, 189, 248), (250, 204, 21), (244, 114, 182), (167, 139, 250), (45, 212, 191))
_LIGHT: Colour = (240, 244, 248)
_DARK: Colour = (15, 20, 28)

_FLASH_NS = 900_000_000
_TRAIL_NS = 2_000_000_000
_GOLDEN = 0.61803398875  # turns of the colour wheel between neighbouring ids: any few ids look different


@dataclass(frozen=True, kw_only=True, slots=True)
class _Spot:
    """Where a person was, in pixels."""

    x: int
    y: int
    seen_ns: int


class Painter:
    """Paints the frames of one video, in order; keeps trails for two seconds and flashes for less."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        """Prepare for pictures of this size in pixels."""
        self._scene = scene
        self._size = (width, height)
        self._unit = max(width, height) / 1024  # sizes below are for a picture 1024 pixels long
        self._font = cv2.FontFace("sans")
        self._colours = {rule.name: _RULES[k % len(_RULES)] for k, rule in enumerate(scene.rules)}
        self._counts = {rule.name: RuleCount() for rule in scene.rules}
        self._flashes: dict[str, Crossing] = {}
        self._trails: dict[int, deque[_Spot]] = {}

    def paint(self, picture: NDArray[np.uint8], counted: Counted) -> None:
        """Draw one frame in place.

        Args:
            picture: uint8 (height, width, 3) RGB.
            counted: what was seen in it.
        """
        now_ns = counted.frame.captured_ns
        for crossing in counted.crossings:
            self._counts[crossing.rule] += crossing
            if crossing.cause == "crossed":
                self._flashes[crossing.rule] = crossing
        self._flashes = {k: c for k, c in self._flashes.items() if now_ns - c.confirmed_ns <= _FLASH_NS}
        self._follow(counted.tracks, now_ns)
        for zone in self._scene.zones:
            self._zone(picture, zone)
        for line in self._scene.lines:
            self._line(picture, line)
        for track_id, trail in self._trails.items():
            self._trail(picture, trail, _person_colour(track_id), now_ns)
        for track in counted.tracks:
            if track.seen_ns == now_ns:
                self._person(picture, track)
        for crossing in self._flashes.values():
            self._flash(picture, crossing, now_ns)
        self._panel(picture)

    def _px(self, size: float) -> int:
        return max(1, round(size * self._unit))

    def _at(self, point: Point) -> tuple[int, int]:
        return round(point.x * (self._size[0] - 1)), round(point.y * (self._size[1] - 1))

    def _follow(self, tracks: tuple[Track, ...], now_ns: int) -> None:
        for track in tracks:
            if track.seen_ns == now_ns:
                left, _, right, bottom = track.box
                x, y = round((left + right) / 2 * self._size[0]), round(bottom * self._size[1])
                self._trails.setdefault(track.track_id, deque()).append(_Spot(x=x, y=y, seen_ns=now_ns))
        for trail in self._trails.values():
            while trail and now_ns - trail[0].seen_ns > _TRAIL_NS:
                trail.popleft()
        self._trails = {track_id: trail for track_id, trail in self._trails.items() if trail}

    def _rule_colour(self, name: str) -> Colour:
        flash = self._flashes.get(name)
        return _way_colour(flash.direction) if flash else self._colours[name]

    def _zone(self, picture: NDArray[np.uint8], zone: Zone) -> None:
        corners = np.array([self._at(point) for point in zone.polygon], np.int32)
        colour = self._rule_colour(zone.name)
        left, top, width, height = cv2.boundingRect(corners)
        inside = picture[top : top + height, left : left + width]
        filled = inside.copy()
        cv2.fillPoly(filled, [corners - (left, top)], colour)
        cv2.addWeighted(filled, 0.2, inside, 0.8, 0, dst=inside)
        cv2.polylines(picture, [corners], True, colour, self._px(2), cv2.LINE_AA)

    def _line(self, picture: NDArray[np.uint8], line: Line) -> None:
        a, b = self._at(line.a), self._at(line.b)
        colour = self._rule_colour(line.name)
        width = self._px(5 if line.name in self._flashes else 3)
        cv2.line(picture, a, b, _DARK, width + self._px(2), cv2.LINE_AA)
        cv2.line(picture, a, b, colour, width, cv2.LINE_AA)
        for end in (a, b):
            cv2.circle(picture, end, self._px(5), colour, -1, cv2.LINE_AA)
        self._arrow(picture, line, a, b)
        near_a = (round(a[0] + (b[0] - a[0]) / 4), round(a[1] + (b[1] - a[1]) / 4))
        self._label(picture, line.name, near_a, colour, centre=True)

    def _arrow(self, picture: NDArray[np.uint8], line: Line, a: tuple[int, int], b: tuple[int, int]) -> None:
        """Point to where "in" is: the right-hand side of someone who walks a -> b."""
        along = np.array([b[0] - a[0], b[1] - a[1]], np.float64)
        along /= np.hypot(*along) or 1.0
        # y points down, so a quarter turn to the right is (-y, x).
        inwards = np.array([-along[1], along[0]]) * (-1 if line.flip else 1)
        foot = np.array(a) * 0.25 + np.array(b) * 0.75  # away from the middle, where lines tend to cross
        neck, tip = foot + inwards * self._px(26), foot + inwards * self._px(44)
        head = np.array([tip, neck + along * self._px(11), neck - along * self._px(11)]).round().astype(np.int32)
        shaft = tuple(foot.round().astype(int).tolist()), tuple(neck.round().astype(int).tolist())
        for colour, extra in ((_DARK, self._px(2)), (_IN, 0)):
            cv2.line(picture, *shaft, colour, self._px(4) + extra, cv2.LINE_AA)
            cv2.fillPoly(picture, [head], colour, cv2.LINE_AA)
            if extra:
                cv2.polylines(picture, [head], True, colour, extra, cv2.LINE_AA)
        word = (tip + inwards * self._px(14)).round().astype(int).tolist()
        self._label(picture, "in", (word[0], word[1]), _IN, centre=True)

    def _trail(self, picture: NDArray[np.uint8], trail: deque[_Spot], colour: Colour, now_ns: int) -> None:
        spots = list(trail)
        for k in range(1, len(spots)):
            freshness = 1 - (now_ns - spots[k].seen_ns) / _TRAIL_NS
            start, end = (spots[k - 1].x, spots[k - 1].y), (spots[k].x, spots[k].y)
            cv2.line(picture, start, end, colour, self._px(1 + 3 * freshness), cv2.LINE_AA)

    def _person(self, picture: NDArray[np.uint8], track: Track) -> None:
        width, height = self._size
        left, top, right, bottom = track.box
        corners = (round(left * width), round(top * height)), (round(right * width), round(bottom * height))
        colour = _person_colour(track.track_id)
        cv2.rectangle(picture, *corners, colour, self._px(2), cv2.LINE_AA)
        foot = ((corners[0][0] + corners[1][0]) // 2, corners[1][1])
        cv2.circle(picture, foot, self._px(4), colour, -1, cv2.LINE_AA)
        self._label(picture, str(track.track_id), corners[0], colour, centre=False)

    def _flash(self, picture: NDArray[np.uint8], crossing: Crossing, now_ns: int) -> None:
        age = (now_ns - crossing.confirmed_ns) / _FLASH_NS
        where = self._at(Point(x=min(max(crossing.x, 0.0), 1.0), y=min(max(crossing.y, 0.0), 1.0)))
        colour = _way_colour(crossing.direction)
        cv2.circle(picture, where, self._px(10 + 30 * age), colour, self._px(5 * (1 - age)), cv2.LINE_AA)

    def _label(
        self, picture: NDArray[np.uint8], text: str, at: tuple[int, int], colour: Colour, *, centre: bool
    ) -> None:
        """A tag of the colour with dark text: centred on a point, or standing on it."""
        size, margin = self._px(15), self._px(4)
        wide = self._text_width(text, size)
        tall = size + 2 * margin
        left = at[0] - wide // 2 - margin if centre else at[0]
        top = at[1] - tall // 2 if centre else at[1] - tall
        left = min(max(left, 0), self._size[0] - wide - 2 * margin)
        top = min(max(top, 0), self._size[1] - tall)
        cv2.rectangle(picture, (left, top), (left + wide + 2 * margin, top + tall), colour, -1, cv2.LINE_AA)
        self._text(picture, text, (left + margin, top + margin), _DARK, size)

    def _panel(self, picture: NDArray[np.uint8]) -> None:
        """The counts so far, a row a rule, in the top left corner."""
        if not self._counts:
            return
        size, row, margin = self._px(18), self._px(27), self._px(12)
        names = max(self._text_width(name, size) for name in self._counts)
        columns = [margin + self._px(22), margin + self._px(22) + names + self._px(16)]
        columns += [columns[1] + self._px(74), columns[1] + self._px(162)]
        wide = columns[3] + (self._px(84) if self._scene.zones else 0)
        shade = picture[self._px(10) : self._px(10) + row * len(self._counts) + 2 * margin, self._px(10) :][:, :wide]
        cv2.addWeighted(shade, 0.25, np.full_like(shade, _DARK), 0.75, 0, dst=shade)
        for k, (name, count) in enumerate(self._counts.items()):
            top = self._px(10) + margin + k * row
            left = self._px(10)
            dot = (left + margin + self._px(6), top + row // 2 - self._px(2))
            cv2.circle(picture, dot, self._px(6), self._rule_colour(name), -1, cv2.LINE_AA)
            self._text(picture, name, (left + columns[0], top), _LIGHT, size)
            self._text(picture, f"in {count.totals.count_in}", (left + columns[1], top), _IN, size)
            self._text(picture, f"out {count.totals.count_out}", (left + columns[2], top), _OUT, size)
            if any(zone.name == name for zone in self._scene.zones):
                self._text(picture, f"now {count.totals.occupancy_change}", (left + columns[3], top), _LIGHT, size)

    def _text(self, picture: NDArray[np.uint8], text: str, at: tuple[int, int], colour: Colour, size: int) -> None:
        """Text of a height in pixels, its top left corner at a point."""
        cv2.putText(picture, text, (at[0], at[1] + round(size * 0.86)), colour, self._font, size, 500)

    def _text_width(self, text: str, size: int) -> int:
        return cv2.getTextSize((0, 0), text, (0, 0), self._font, size, 500)[2]


def _way_colour(direction: Direction) -> Colour:
    return _IN if direction == "in" else _OUT


def _person_colour(track_id: int) -> Colour:
    hue = track_id * _GOLDEN % 1.0
    pixel = np.array([[[round(hue * 179), 130, 255]]], np.uint8)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]
    return int(red), int(green), int(blue)
