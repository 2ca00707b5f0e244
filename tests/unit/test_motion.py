"""The motion gate stays shut on a still scene, however noisy, and opens for a person however small."""

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.capture.motion import MotionGate, luma_size
from actors.capture.timeline import SECOND_NS

WIDTH, HEIGHT = 240, 135
FPS = 8
NEVER_NS = 10**18


def floor() -> NDArray[np.float64]:
    """A textured scene with edges."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return 90 + 40 * np.sin(columns / 9) + 30 * ((rows // 20 + columns // 30) % 2)


def seen(scene: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(scene), 0, 255).astype(np.uint8)


def opened(scenes: list[NDArray[np.float64]], *, recheck_ns: int = NEVER_NS) -> list[bool]:
    gate = MotionGate(recheck_ns=recheck_ns)
    return [gate.moved(seen(scene), k * SECOND_NS // FPS) for k, scene in enumerate(scenes)]


def test_the_first_second_is_always_looked_at() -> None:
    assert opened([floor()] * 20) == [True] * FPS + [False] * (20 - FPS)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 5.0])
def test_sensor_noise_is_not_motion(sigma: float) -> None:
    rng = np.random.default_rng(1)
    assert not any(opened([floor() + rng.normal(0, sigma, (HEIGHT, WIDTH)) for _ in range(200)])[FPS:])


def test_dusk_is_not_motion() -> None:
    # Half of the light goes within two minutes.
    assert not any(opened([floor() * (1 - k / (240 * FPS)) for k in range(120 * FPS)])[FPS:])


def test_exposure_that_shifts_all_of_the_picture_is_not_motion() -> None:
    assert not any(opened([floor() + (10 if k > 40 else 0) for k in range(80)])[FPS:])


def test_a_small_person_far_away_is_motion_in_noise() -> None:
    # Two pixels wide and five high: 40 pixels of a picture 1080 high; a fifth brighter than the floor.
    rng = np.random.default_rng(2)
    scenes = []
    for k in range(80):
        scene = floor() + rng.normal(0, 1.0, (HEIGHT, WIDTH))
        if k >= 40:
            left = 20 + 2 * (k - 40)
            scene[60:65, left : left + 2] += 25
        scenes.append(scene)
    answers = opened(scenes)
    assert not any(answers[FPS:40])
    assert all(answers[41:])


def test_the_gate_stays_open_for_a_second_after_the_last_change() -> None:
    scenes = [floor()] * 60
    scenes[30] = floor()
    scenes[30][50:80, 50:60] += 60
    answers = opened(scenes)
    assert answers[30 : 30 + FPS] == [True] * FPS
    assert not any(answers[30 + 2 * FPS :])


def test_a_still_scene_is_looked_at_again_every_five_seconds() -> None:
    answers = opened([floor()] * (20 * FPS), recheck_ns=5 * SECOND_NS)
    looked_at = [k for k, answer in enumerate(answers) if answer and k >= FPS]
    assert looked_at == [FPS - 1 + 5 * FPS, FPS - 1 + 10 * FPS, FPS - 1 + 15 * FPS]


def test_a_picture_of_another_size_is_looked_at() -> None:
    gate = MotionGate(recheck_ns=NEVER_NS)
    for k in range(20):
        gate.moved(seen(floor()), k * SECOND_NS // FPS)
    assert gate.moved(seen(floor())[:100], 20 * SECOND_NS // FPS)


def test_the_plane_keeps_the_aspect_of_the_picture_and_is_never_enlarged() -> None:
    assert luma_size(1920, 1080) == (240, 135)
    assert luma_size(1080, 1920) == (135, 240)
    assert luma_size(160, 120) == (160, 120)
