"""The Detector port on OpenVINO, called directly: no framework between the picture and the network.

One request a picture. Several threads may call at once and share the requests; a caller waits only for its own, and
what is found in a picture never depends on which others were asked about at the same time.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray
from openvino import Core, InferRequest, Tensor

from schema.errors import BadInput
from schema.events import Detections, FrameId
from schema.ports import DetectorSpec
from serve_app.detector.found import check_pictures, detections, model_name
from serve_app.detector.graph import read_graph

_REQUESTS_A_STREAM = 2  # one being computed, one waiting, so that a stream never idles while Python reads a result


class OpenVinoDetector:
    """Finds people with a model that OpenVINO can run, on the CPU."""

    def __init__(self, path: Path, *, name: str = "") -> None:
        """Read and compile a model: an exported folder, ``.xml``, ``.onnx`` or ``.pb``.

        Args:
            path: the model.
            name: what to call it in results, if not by its file.

        Raises:
            BadInput: it is not a model that finds people.
        """
        graph = read_graph(path, name or model_name(path))
        try:
            compiled = Core().compile_model(graph.model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
        except RuntimeError as exc:
            raise BadInput(f"model '{path}' cannot be run on this machine's CPU: export it again for OpenVINO") from exc
        self._spec = graph.spec
        self._read = graph.read
        self._compiled = compiled
        # Bounded by being filled once: a caller who finds it empty first finishes its own work, then waits.
        self._idle: SimpleQueue[InferRequest] = SimpleQueue()
        for _ in range(_REQUESTS_A_STREAM * compiled.get_property("NUM_STREAMS")):
            self._idle.put(compiled.create_infer_request())

    @property
    def spec(self) -> DetectorSpec:
        """What ``detect`` wants to be given."""
        return self._spec

    def detect(self, batch: NDArray[np.uint8], ids: Sequence[FrameId]) -> list[Detections]:  # noqa: ARG002
        """Find people in a batch; see ``schema.ports.Detector``.

        Raises:
            ValueError: the pictures are not of the size in ``spec``.
        """
        check_pictures(batch, self._spec)
        found: list[Detections] = []
        running: deque[InferRequest] = deque()
        try:
            for index in range(len(batch)):
                request = self._idle_request(running, found)
                running.append(request)
                picture = np.ascontiguousarray(batch[index : index + 1])
                # OpenVINO refuses to share read-only memory, such as frames that came through Ray.
                request.set_input_tensor(Tensor(picture, shared_memory=picture.flags.writeable))
                request.start_async()
            while running:
                found.append(self._finish(running[0]))
                self._idle.put(running.popleft())
        finally:
            for request in running:
                with suppress(RuntimeError):  # the first failure is on its way to the caller
                    request.wait()
                self._idle.put(request)
        return found

    def _idle_request(self, running: deque[InferRequest], found: list[Detections]) -> InferRequest:
        """An idle request; where there is none, the caller's oldest, when it has finished."""
        if not running:
            return self._idle.get()
        try:
            return self._idle.get_nowait()
        except Empty:
            found.append(self._finish(running[0]))
            return running.popleft()

    def _finish(self, request: InferRequest) -> Detections:
        request.wait()
        return detections(*self._read(request), model=self._spec.model)
