"""How long to wait before the next attempt."""

from random import SystemRandom

FIRST_S = 0.25
CAP_S = 3.0
"""A server that is back is tried within this time; with connecting and a key frame, counting resumes within 5 s."""


class Backoff:
    """Exponential back-off with full jitter: waits between 0 and a ceiling that doubles up to ``CAP_S``.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self) -> None:
        self._uniform = SystemRandom().uniform
        self._ceiling_s = FIRST_S

    def next_s(self) -> float:
        """Seconds to wait now."""
        ceiling_s, self._ceiling_s = self._ceiling_s, min(2 * self._ceiling_s, CAP_S)
        return self._uniform(0.0, ceiling_s)

    def reset(self) -> None:
        """Start over: it went well."""
        self._ceiling_s = FIRST_S
