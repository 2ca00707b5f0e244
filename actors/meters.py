"""What the actors measure, for Ray's dashboard and Prometheus. Labels are camera, line and direction at most."""

from ray.util.metrics import Counter, Gauge, Histogram

from actors.jobs.worker import Ended
from schema import names
from schema.events import Committed
from schema.work import CameraStatus, WorkerStatus


class WorkerMeters:
    """Turns a worker's statuses, told now and then, into metrics."""

    def __init__(self) -> None:
        camera = ("camera",)
        self._frames = _Growth(Counter(names.FRAMES_TOTAL, "Frames looked at.", camera))
        self._skipped = _Growth(Counter(names.FRAMES_SKIPPED_TOTAL, "Frames that gave way to newer ones.", camera))
        self._still = _Growth(Counter(names.FRAMES_STILL_TOTAL, "Frames in which nothing moved.", camera))
        self._reconnects = _Growth(Counter(names.RECONNECTS_TOTAL, "Connections after the first.", camera))
        self._detector_retries = _Growth(Counter(names.DETECTOR_RETRIES_TOTAL, "Batches asked again.", ("worker",)))
        self._store_retries = _Growth(Counter(names.STORE_RETRIES_TOTAL, "Deliveries sent again.", ("worker",)))
        self._age = Gauge(names.FRAME_AGE_SECONDS, "Since the last frame was captured.", tag_keys=camera)
        self._journal = Gauge(names.JOURNAL_BYTES, "Counted and not stored yet.", tag_keys=("worker",))
        self._pictures = _Growth(Counter(names.PICTURES_STORED_TOTAL, "Crossings with a picture.", ("worker",)))
        self._no_pictures = _Growth(Counter(names.PICTURES_DROPPED_TOTAL, "Pictures that gave way.", ("worker",)))
        self._waiting = Gauge(names.PICTURES_WAITING, "Pictures not stored yet.", tag_keys=("worker",))

    def report(self, status: WorkerStatus, *, store_retries: int, now_ns: int) -> None:
        """Take over what a worker says of itself."""
        for camera in status.cameras:
            self._report_camera(camera, now_ns)
        worker = {"worker": status.name}
        self._detector_retries.reached(status.detector_retries, worker)
        self._store_retries.reached(store_retries, worker)
        self._journal.set(status.unsent_bytes, worker)
        self._pictures.reached(status.pictures_stored, worker)
        self._no_pictures.reached(status.pictures_dropped, worker)
        self._waiting.set(status.pictures_waiting, worker)

    def _report_camera(self, status: CameraStatus, now_ns: int) -> None:
        camera = {"camera": status.spec.name}
        self._frames.reached(status.looked_at, camera)
        self._skipped.reached(status.skipped, camera)
        self._still.reached(status.still, camera)
        self._reconnects.reached(status.reconnects, camera)
        if status.last_frame_ns is not None and status.spec.playback == "live":
            self._age.set((now_ns - status.last_frame_ns) / 1e9, camera)


class CountingMeters:
    """Counts what was committed."""

    def __init__(self, shard: int) -> None:
        self._shard = {"shard": str(shard)}
        self._crossings = Counter(
            names.CROSSINGS_TOTAL, "Crossings stored for the first time.", ("camera", "line", "direction")
        )
        self._lag = Histogram(
            names.FLUSH_LAG_SECONDS,
            "From a delivery's arrival to its being durable.",
            boundaries=[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
            tag_keys=("shard",),
        )

    def report(self, committed: Committed, lag_s: float) -> None:
        """Take over one commit."""
        self._lag.observe(lag_s, self._shard)
        for crossing in committed.crossings:
            self._crossings.inc(
                1,
                {"camera": str(crossing.camera_id), "line": crossing.rule, "direction": crossing.direction},
            )


class JobMeters:
    """Counts attempts at jobs by how they ended."""

    def __init__(self) -> None:
        self._jobs = Counter(names.JOBS_TOTAL, "Attempts at jobs that ended.", ("kind", "outcome"))
        self._seconds = Histogram(
            names.JOB_SECONDS,
            "How long an attempt at a job took.",
            boundaries=[0.1, 1.0, 10.0, 60.0, 600.0, 3600.0],
            tag_keys=("kind",),
        )

    def report(self, ended: Ended) -> None:
        """Take over one attempt."""
        self._jobs.inc(1, {"kind": ended.kind, "outcome": ended.outcome})
        self._seconds.observe(ended.seconds, {"kind": ended.kind})


class _Growth:
    """A counter fed with totals; a total that fell started anew."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._told: dict[str, int] = {}

    def reached(self, total: int, tags: dict[str, str]) -> None:
        key = next(iter(tags.values()))
        told = self._told.get(key, 0)
        grown = total - told if total >= told else total
        self._told[key] = total
        if grown:
            self._counter.inc(grown, tags)
