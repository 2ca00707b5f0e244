"""Counts one video on this machine, without Ray or a database."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from actors.counting.buckets import totals_by_rule
from actors.counting.session import CountingSession
from cluster.video.looking import look
from cluster.video.source import CAMERA_ID
from schema.errors import BadInput, SourceLost
from schema.events import Crossing, Frame, Totals, Track
from schema.geometry import Scene
from schema.ports import Detector, FrameSource

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """One frame that was looked at: the people in it, and the crossings that it made certain."""

    frame: Frame
    tracks: tuple[Track, ...]
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleCount:
    """What one line or zone counted.

    ``stays`` is how many people left a zone who had been seen to come; ``totals.dwell_s`` is how long they stayed in
    all. Those who are still inside at the end are in neither.
    """

    totals: Totals = field(default_factory=Totals)
    stays: int = 0

    @property
    def mean_dwell_s(self) -> float | None:
        """How long a stay in a zone was on average; None where there was none."""
        return self.totals.dwell_s / self.stays if self.stays else None

    def __add__(self, crossing: Crossing) -> "RuleCount":
        """Take one more crossing in."""
        stays = self.stays + (crossing.dwell_s is not None)
        return RuleCount(totals=self.totals + totals_by_rule([crossing])[crossing.rule], stays=stays)


@dataclass(frozen=True, kw_only=True, slots=True)
class CountResult:
    """What was counted. ``frames`` is how many were looked at, ``seconds`` how long the work took."""

    frames: int
    seconds: float
    lines: Mapping[str, RuleCount]
    zones: Mapping[str, RuleCount]

    @property
    def fps(self) -> float:
        """Frames a second of work."""
        return self.frames / self.seconds if self.seconds else 0.0


def count_video(
    source: FrameSource,
    detector: Detector,
    scene: Scene,
    *,
    detect_fps: float | None = None,
    live: bool = False,
    watch: Callable[[Counted], None] | None = None,
) -> CountResult:
    """Count a source to its end, and close it.

    A live source ends when it is lost or the user interrupts; what was counted until then is the result.

    Args:
        source: where frames come from.
        detector: who finds people in them.
        scene: the lines and zones to count by.
        detect_fps: how many frames a second of the source's time are looked at; None means all.
        live: skip frames that there is no time for, instead of letting the source wait.
        watch: called with every frame that was looked at, in order.

    Raises:
        BadInput: a file is not readable as video, or a live source was lost before its first frame.
        SourceLost: a file could not be read on.
    """
    began_s = time.perf_counter()
    counts = {rule.name: RuleCount() for rule in scene.rules}
    session = CountingSession()
    session.open(CAMERA_ID, source.epoch, scene)
    frames = 0
    looked_at = look(source, detector, detect_fps=detect_fps, live=live)
    try:
        for frame, observation in looked_at:
            if live and not frames:
                log.info("Counting the stream until it ends, or Ctrl-C")
            crossings = session.advance([observation])
            frames += 1
            for crossing in crossings:
                counts[crossing.rule] += crossing
            if watch is not None:
                watch(Counted(frame=frame, tracks=tuple(session.tracks(CAMERA_ID)), crossings=tuple(crossings)))
    except SourceLost as lost:
        if not live:
            raise
        if not frames:
            raise BadInput(f"{lost}: check that the stream plays") from lost
        log.warning("The stream was lost, counting ends here", reason=str(lost))
    except KeyboardInterrupt:
        if not live:
            raise
    finally:
        looked_at.close()
    return CountResult(
        frames=frames,
        seconds=time.perf_counter() - began_s,
        lines={line.name: counts[line.name] for line in scene.lines},
        zones={zone.name: counts[zone.name] for zone in scene.zones},
    )
