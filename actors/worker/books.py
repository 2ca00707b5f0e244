"""The counting side of a camera worker: from what the detector saw to deliveries that are due."""

from collections.abc import Callable, Sequence

import structlog

from actors.capture.feed import FeedEvent
from actors.counting.session import CountingSession
from actors.worker.looks import Look
from actors.worker.pictures import Pictures
from actors.worker.watch import Watch
from schema.camera import CameraSpec
from schema.events import Crossing, Delivery, Detections, Frame, Observation

log = structlog.get_logger(__name__)


class Books:
    """Counts the cameras of a worker together and keeps ``unsaved`` what has to be journalled. Not thread-safe."""

    def __init__(self, clock_ns: Callable[[], int], pictures: Pictures | None) -> None:
        self.watches: dict[int, Watch] = {}
        self.unsaved: list[Delivery] = []
        self._clock_ns = clock_ns
        self._pictures = pictures
        self._session = CountingSession()

    def apply(self, look: Look) -> None:
        """Count a batch: as many rounds as it has frames of one camera, each round all cameras together."""
        if (error := look.answer.exception()) is not None:
            self._give_up(look, error)
            return
        found = look.answer.result()
        together: dict[int, tuple[Frame, Observation]] = {}
        for place, (watch, item) in enumerate(look.items):
            if self.watches.get(watch.spec.id) is not watch or watch.failed:
                continue
            if watch.spec.id in together or isinstance(item, FeedEvent):
                self._advance(together)
                together = {}
            if isinstance(item, FeedEvent):
                self._take_news(watch, item)
                continue
            if watch.epoch != item.id.epoch:
                self._begin(watch, item.id.epoch, item.captured_ns)
            if not watch.failed and (item.still or place in found):
                together[watch.spec.id] = item, self._observe(watch, item, found.get(place))
        self._advance(together)

    def collect_due(self) -> None:
        """Make deliveries of what is due."""
        now_ns = self._clock_ns()
        for watch in self.watches.values():
            if watch.delivery_due(now_ns):
                counting = watch.recorded and watch.epoch is not None
                state = self._session.snapshot(watch.spec.id) if counting else None
                self.unsaved.append(watch.deliver(now_ns, state=state))

    def let_go(self, watch: Watch) -> None:
        """Deliver what a camera has counted, before it goes."""
        if watch.recorded:
            # Goes on elsewhere from here, with the people who are in the picture.
            if watch.epoch is not None:
                state = self._session.snapshot(watch.spec.id)
                self.unsaved.append(watch.deliver(self._clock_ns(), state=state))
                self._session.close(watch.spec.id)
                self._forget(watch)
        else:
            self._end(watch)

    def drop(self, watch: Watch) -> None:
        """Forget what a camera has counted: it is not ours."""
        if watch.epoch is not None:
            self._session.close(watch.spec.id)
            self._forget(watch)

    def edit(self, watch: Watch, spec: CameraSpec) -> None:
        """Count by other rules from the next frame on."""
        watch.change(spec)
        if watch.epoch is not None:
            self._found(watch, self._session.set_scene(spec.id, spec.scene))

    def _observe(self, watch: Watch, frame: Frame, found: Detections | None) -> Observation:
        detections = watch.last_seen if found is None else found
        watch.saw(frame, detections, self._clock_ns())
        return Observation(
            frame=frame.id,
            captured_ns=frame.captured_ns,
            width_px=frame.picture.width,
            height_px=frame.picture.height,
            detections=detections,
        )

    def _advance(self, together: dict[int, tuple[Frame, Observation]]) -> None:
        if not together:
            return
        crossings = self._session.advance([observation for _, observation in together.values()])
        if self._pictures is not None:
            for camera_id, (frame, _) in together.items():
                spec = self.watches[camera_id].spec
                if spec.evidence:
                    self._pictures.saw(spec, frame, self._session.people(camera_id, frame.captured_ns))
        for crossing in crossings:
            self._found(self.watches[crossing.camera_id], [crossing], together[crossing.camera_id][0])

    def _found(self, watch: Watch, crossings: Sequence[Crossing], frame: Frame | None = None) -> None:
        """Note crossings, which ``frame`` made certain, or no frame did."""
        watch.found(crossings)
        if self._pictures is not None and watch.spec.evidence:
            for crossing in crossings:
                self._pictures.crossed(watch.spec, crossing, frame)

    def _forget(self, watch: Watch) -> None:
        if self._pictures is not None:
            self._pictures.forget(watch.spec.id)

    def _begin(self, watch: Watch, epoch: str, first_ns: int) -> None:
        self._end(watch)
        if watch.expected_epoch and epoch != watch.expected_epoch:
            watch.fail("the file is no longer the one that was to be counted", self._clock_ns())
            return
        state = watch.begin(epoch, first_ns)
        try:
            self._session.open(watch.spec.id, epoch, watch.spec.scene, state)
        except ValueError as error:
            watch.end_epoch()
            watch.fail(f"its checkpoint cannot be used: {error}", self._clock_ns())

    def _end(self, watch: Watch, *, finished: bool = False) -> None:
        """End a stream epoch; whoever is still in the picture is counted out of it."""
        if watch.epoch is not None:
            self._found(watch, self._session.close(watch.spec.id))
            self._forget(watch)
            self.unsaved.append(watch.deliver(self._clock_ns(), finished=finished))
            watch.end_epoch()

    def _take_news(self, watch: Watch, event: FeedEvent) -> None:
        if event.kind == "connected" and event.epoch:
            self._begin(watch, event.epoch, event.occurred_ns)
        watch.happened(event, self._clock_ns())
        if event.kind in ("lost", "ended"):
            self._end(watch, finished=watch.recorded and event.kind == "ended")

    def _give_up(self, look: Look, error: BaseException) -> None:
        """A batch that the detector will never answer: live cameras miss its frames, recorded ones stop."""
        log.error("Detector cannot look at a batch", error=str(error))
        for watch in {watch.spec.id: watch for watch, _ in look.items}.values():
            if watch.recorded and not watch.failed:
                watch.fail(str(error), self._clock_ns())
                watch.feed.close()
