"""Which camera goes to which worker. Pure: no Ray, no clock, no store."""

from collections import Counter
from collections.abc import Collection, Mapping
from math import ceil


def place(
    cameras: Collection[int], workers: Collection[str], placed: Mapping[int, str], *, per_worker: int
) -> dict[int, str]:
    """Place cameras on workers with as few moves as possible.

    A camera stays where it is while its worker is there and not over its bound: moving one costs a gap in what is
    watched. The others go, lowest id first, to the worker with the fewest cameras (of those, the first by name).

    Args:
        cameras: ids of all cameras that are to be watched.
        workers: names of the workers that answer.
        placed: where cameras are now; cameras and workers that are no more are let go.
        per_worker: cameras on a worker at most.

    Returns:
        A worker for every camera that there is room for.
    """
    wanted = set(cameras)
    load = Counter(dict.fromkeys(sorted(workers), 0))
    result: dict[int, str] = {}
    for camera_id in sorted(wanted):
        worker = placed.get(camera_id)
        if worker is not None and worker in load and load[worker] < per_worker:
            result[camera_id] = worker
            load[worker] += 1
    for camera_id in sorted(wanted - result.keys()):
        if not load:
            break
        worker = min(load, key=lambda name: load[name])
        if load[worker] >= per_worker:
            break
        result[camera_id] = worker
        load[worker] += 1
    return result


def workers_needed(cameras: int, *, per_worker: int) -> int:
    """How many workers that many cameras take; one stays ready for the first camera."""
    return max(1, ceil(cameras / per_worker))
