"""Who was seen in one frame of a camera."""

from dataclasses import dataclass

from actors.counting.matching import Floats, Ints


@dataclass(frozen=True, kw_only=True, slots=True)
class People:
    """Everybody who was seen in one frame, confirmed or not.

    ``births`` int64 (N,) names each track from its first detection on, ``ids`` int64 (N,) once it is confirmed (0
    before). ``boxes`` float64 (N, 4) is left, top, right, bottom, normalised to the picture, and may reach beyond it.
    """

    births: Ints
    ids: Ints
    boxes: Floats
