"""Times at the edge: nanoseconds inside, ISO 8601 UTC with ``Z`` outside."""

from datetime import UTC, datetime


def iso(ns: int) -> str:
    """Nanoseconds since 1970 as ISO 8601 UTC, to the microsecond: ``2026-11-23T09:00:00.250000Z``."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
