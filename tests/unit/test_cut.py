"""A part of a picture is what the whole picture shows there, whatever it is coded in."""

import numpy as np
import pytest
from av import VideoFrame

from actors.capture.picture import DecodedPicture, Scaler

WIDTH, HEIGHT = 160, 90


def picture(codec: str) -> DecodedPicture:
    waves = np.sin(np.mgrid[0:HEIGHT, 0:WIDTH, 0:3].sum(axis=0) / 9) * 100 + 120
    return DecodedPicture(VideoFrame.from_ndarray(waves.astype(np.uint8), "rgb24").reformat(format=codec), Scaler())


@pytest.mark.parametrize("codec", ["yuv420p", "yuvj420p", "yuv422p", "nv12", "rgb24"])
@pytest.mark.parametrize("area", [(20, 10, 84, 74), (0, 0, 160, 90), (158, 88, 160, 90)], ids=["inside", "all", "tip"])
def test_a_part_is_the_same_as_in_the_whole(codec, area):
    whole = picture(codec)
    left, top, right, bottom = area
    part = whole.cut(area, right - left, bottom - top)
    assert part.shape == (bottom - top, right - left, 3)
    # Colours of neighbours beyond the edge are mixed in when they are scaled with the whole.
    difference = np.abs(part.astype(int) - whole.rgb(WIDTH, HEIGHT)[top:bottom, left:right])
    assert difference.mean() < 2


def test_a_part_is_scaled():
    part = picture("yuv420p").cut((20, 10, 84, 74), 16, 32)
    assert part.shape == (32, 16, 3)
    assert part.std() > 10


def test_odd_edges_are_met_to_the_pixel_before():
    whole = picture("yuv420p")
    assert np.array_equal(whole.cut((21, 11, 85, 75), 64, 64), whole.cut((20, 10, 84, 74), 64, 64))
