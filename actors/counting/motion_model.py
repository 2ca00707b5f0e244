"""A constant-velocity Kalman filter on foot point and box size, for many tracks at once.

Four axes are filtered alike and apart from each other: foot x, foot y, box width, box height. Noise is in box
heights, so the covariances are too, and near and far people are treated the same. Everything is elementwise, which
keeps a track's numbers identical to the last bit whatever other tracks are filtered beside it.

Source: Y. Bar-Shalom, X. R. Li, T. Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001,
chapter 6.2 (white-noise acceleration, continuous in time); R. E. Kalman, 1960.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AXES = 4

MEASURED = np.array([0.05, 0.06, 0.05, 0.08])
"""Standard deviation of a detected foot x, foot y, width and height, in box heights."""

ACCELERATION = np.array([0.15, 0.15, 0.004, 0.004])
"""Spectral density of the white-noise acceleration, in box heights squared per second cubed."""

FIRST_SPEED = np.array([0.8, 0.8, 0.1, 0.1])
"""Standard deviation of a newborn's velocity, in box heights per second."""

COAST_S = 2.0
"""Seconds over which an unseen person is believed to keep walking: displacement never exceeds velocity times this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """Position and velocity with their covariance; all arrays float64 (N, 4), one column an axis.

    ``pos`` is in picture heights, ``vel`` in picture heights per second; ``pp``, ``pv`` and ``vv`` are the covariance
    in box heights (and seconds).
    """

    pos: Floats
    vel: Floats
    pp: Floats
    pv: Floats
    vv: Floats


def born(pos: Floats) -> Motion:
    """Motion of people seen for the first time at ``pos`` (N, 4)."""
    zero = np.zeros_like(pos)
    return Motion(pos=pos, vel=zero, pp=zero + MEASURED**2, pv=zero, vv=zero + FIRST_SPEED**2)


def predict(m: Motion, dt_s: Floats) -> Motion:
    """Motion ``dt_s`` (N,) seconds later."""
    dt = dt_s[:, None]
    coast = dt / (1.0 + dt / COAST_S)
    return Motion(
        pos=m.pos + m.vel * coast,
        vel=m.vel,
        pp=m.pp + dt * (2.0 * m.pv + dt * (m.vv + ACCELERATION * dt / 3.0)),
        pv=m.pv + dt * (m.vv + ACCELERATION * dt / 2.0),
        vv=m.vv + ACCELERATION * dt,
    )


def update(m: Motion, measured: Floats, noise: Floats) -> Motion:
    """Motion after measuring ``measured`` (N, 4), its variance (N, 4) in box heights squared."""
    inverse = 1.0 / (m.pp + noise)
    gain, gain_v = m.pp * inverse, m.pv * inverse
    surprise = measured - m.pos
    return Motion(
        pos=m.pos + gain * surprise,
        vel=m.vel + gain_v * surprise,
        pp=m.pp - gain * m.pp,
        pv=m.pv - gain * m.pv,
        vv=m.vv - gain_v * m.pv,
    )
