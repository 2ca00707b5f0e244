"""How cameras are doing this second: told by the supervisor, read by the API. PostgreSQL has what lasts."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis

from schema.cache.client import Cache, CacheAway
from schema.cache.families import STATUS
from schema.cache.locks import FLEET_REPORT, Held, Locks
from schema.sources import redact
from schema.work import CameraState, CameraStatus

_HOLD_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraNow:
    """A camera as its worker last said. ``lag_s`` is how long its last frame took from capture to being counted."""

    state: CameraState
    reason: str
    fps: float
    lag_s: float
    last_frame_ns: int | None


class StatusReporter:
    """Tells Redis, as the only one who may: one that was thought dead and wakes is refused by its older token."""

    def __init__(self, cache: Cache) -> None:
        self._locks = Locks(cache)
        self._held: Held | None = None

    def report(self, cameras: Sequence[CameraStatus]) -> bool:
        """Say how all cameras are doing. False where it was not told: another reports, or Redis is away."""
        try:
            if self._held is None or not self._locks.renew(self._held, ttl_s=_HOLD_S):
                self._held = self._locks.take(FLEET_REPORT, ttl_s=_HOLD_S)
            if self._held is None:
                return False
            hashes = {STATUS.key(camera.spec.id): _fields(camera) for camera in cameras}
            return self._locks.put(self._held, hashes, ttl_s=float(STATUS.ttl_s or 0))
        except CacheAway:
            return False

    def stop(self) -> None:
        """Let another report."""
        if self._held is not None:
            with suppress(CacheAway):
                self._locks.release(self._held)
            self._held = None


def read(cache: Cache, camera_ids: Collection[int]) -> Mapping[int, CameraNow]:
    """What is known of these cameras now, by id; nothing of those that nobody reported lately."""

    def ask(redis: Redis) -> list[Any]:
        with redis.pipeline(transaction=False) as pipeline:
            for camera_id in camera_ids:
                pipeline.hgetall(STATUS.key(camera_id))
            return pipeline.execute()

    try:
        found = cache.ask(ask)
    except CacheAway:
        return {}
    return {camera_id: _now(fields) for camera_id, fields in zip(camera_ids, found, strict=True) if fields}


def _fields(camera: CameraStatus) -> dict[str, str]:
    return {
        "state": camera.state,
        "reason": redact(camera.reason),
        "fps": f"{camera.fps:.2f}",
        "lag_s": f"{camera.lag_s:.3f}",
        "last_frame_ns": "" if camera.last_frame_ns is None else str(camera.last_frame_ns),
    }


def _now(fields: Mapping[bytes, bytes]) -> CameraNow:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    state: Any = text["state"]
    return CameraNow(
        state=state,
        reason=text["reason"],
        fps=float(text["fps"]),
        lag_s=float(text["lag_s"]),
        last_frame_ns=int(text["last_frame_ns"]) if text["last_frame_ns"] else None,
    )
