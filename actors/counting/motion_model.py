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

MEASURED = np.array([0.06, 0.2, 0.15, 0.15])
"""Standard deviation of a detected foot x, foot y, width and height at score 1, in box heights.

More than single boxes show: errors of neighbouring frames are alike, as long as the same thing hides the same leg.
"""

ACCELERATION = np.array([0.03, 0.03, 0.002, 0.002])
"""Spectral density of the white-noise acceleration, in box heights squared per second cubed."""

FIRST_SPEED = np.array([1.0, 1.0, 0.1, 0.1])
"""Standard deviation of a newborn's velocity, in box heights per second."""

COAST_S = 3.0
"""Seconds that limit how far an unseen person is believed to have walked: never further than velocity times this."""

SUDDEN = 2.5
"""Standard deviations from which on a measurement is taken for a change of the walk."""

HEAD_SHARE = 0.65
"""How much the foot is measured from the head, one body height above it, for feet are hidden more often than heads."""


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
    pos = m.pos + m.vel * coast
    # A box that shrank for a moment must not shrink to nothing.
    pos[:, 2:] = np.maximum(pos[:, 2:], m.pos[:, 2:] / 2)
    return Motion(
        pos=pos,
        vel=m.vel,
        pp=m.pp + dt * (2.0 * m.pv + dt * (m.vv + ACCELERATION * dt / 3.0)),
        pv=m.pv + dt * (m.vv + ACCELERATION * dt / 2.0),
        vv=m.vv + ACCELERATION * dt,
    )


def update(m: Motion, measured: Floats, noise: Floats) -> Motion:
    """Motion after measuring ``measured`` (N, 4), whose variance is ``noise`` (N,) times the usual."""
    surprise = measured - m.pos
    surprise[:, 1] -= HEAD_SHARE * surprise[:, 3]
    noise = MEASURED**2 * noise[:, None]
    # Who turns suddenly is further away than the filter believes possible: then it must believe in itself less.
    share = surprise / m.pos[:, 3:]
    lift = np.maximum(share * share / (SUDDEN**2 * (m.pp + noise)), 1.0)
    pp, pv, vv = m.pp * lift, m.pv * lift, m.vv * lift
    inverse = 1.0 / (pp + noise)
    gain, gain_v = pp * inverse, pv * inverse
    return Motion(
        pos=m.pos + gain * surprise,
        vel=m.vel + gain_v * surprise,
        pp=pp - gain * pp,
        pv=pv - gain * pv,
        vv=vv - gain_v * pv,
    )


def feet_of(boxes: Floats) -> Floats:
    """Foot x, foot y, width, height (N, 4) of boxes left, top, right, bottom (N, 4)."""
    feet = np.empty_like(boxes)
    feet[:, 0] = (boxes[:, 0] + boxes[:, 2]) / 2
    feet[:, 1] = boxes[:, 3]
    feet[:, 2] = boxes[:, 2] - boxes[:, 0]
    feet[:, 3] = boxes[:, 3] - boxes[:, 1]
    return feet


def boxes_of(feet: Floats) -> Floats:
    """Left, top, right, bottom (N, 4) of foot x, foot y, width, height (N, 4)."""
    boxes = np.empty_like(feet)
    half = feet[:, 2] / 2
    boxes[:, 0] = feet[:, 0] - half
    boxes[:, 1] = feet[:, 1] - feet[:, 3]
    boxes[:, 2] = feet[:, 0] + half
    boxes[:, 3] = feet[:, 1]
    return boxes
