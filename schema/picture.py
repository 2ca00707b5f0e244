"""A decoded frame, whatever decoded it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Area = tuple[int, int, int, int]
"""Part of a picture: left, top, right, bottom, in pixels as decoded, within it."""


class Picture(Protocol):
    """A decoded frame that scales itself on demand."""

    @property
    def width(self) -> int:
        """Width in pixels, as decoded."""
        ...

    @property
    def height(self) -> int:
        """Height in pixels, as decoded."""
        ...

    def rgb(self, width: int, height: int) -> NDArray[np.uint8]:
        """Colour picture scaled to (height, width, 3), uint8 RGB."""
        ...

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        """Brightness scaled to (height, width), uint8."""
        ...

    def cut(self, area: Area, width: int, height: int) -> NDArray[np.uint8]:
        """Part of the colour picture, scaled to (height, width, 3), uint8 RGB."""
        ...
