"""The ``Detector`` port over a Serve handle: a batch is one call."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import ray.exceptions
from numpy.typing import NDArray
from ray import serve
from ray.serve.exceptions import RayServeException

from schema.errors import DetectorUnavailable, Permanent
from schema.events import Detections, FrameId
from schema.names import DETECTOR_APP
from schema.ports import DetectorSpec
from serve_app.deployments import Answer, Condition

TIMEOUT_S = 30.0
"""A batch that takes longer is asked again: its replica hangs."""

_AWAY = (ray.exceptions.RayError, RayServeException, TimeoutError, asyncio.CancelledError)


class ServedDetector:
    """Talks to the detector application. Can be sent to other processes; safe to call from several threads."""

    def __init__(self, app: str = DETECTOR_APP) -> None:
        self._app = app
        self._forget()

    @property
    def spec(self) -> DetectorSpec:
        """What the model now running wants to be given.

        Raises:
            DetectorUnavailable: no replica answers.
            Permanent: the detector has no model that it could open.
        """
        if self._spec is None:
            self._spec = self.condition().spec
        if self._spec is None:
            raise Permanent("the detector has no model: give it one that can be opened")
        return self._spec

    def detect(self, batch: NDArray[np.uint8], ids: Sequence[FrameId]) -> list[Detections]:
        """Find people, as ``Detector.detect``.

        Raises:
            DetectorUnavailable: no replica answered, all are over-full, or the model has just changed: scale the
                frames to ``spec`` and call again.
            Permanent: the model fails on this batch.
        """
        answer = cast(Answer, self._call("detect", batch, list(ids)))
        if answer.spec != self._spec:
            self._spec = answer.spec
        if answer.detections is None:
            raise DetectorUnavailable(f"the model is now {answer.spec.model}")
        return answer.detections

    def condition(self) -> Condition:
        """Which model a replica has.

        Raises:
            DetectorUnavailable: no replica answers.
        """
        return cast(Condition, self._call("condition"))

    def _call(self, method: str, *args: object) -> object:
        try:
            with self._lock:
                if self._handle is None:
                    self._handle = serve.get_app_handle(self._app)
            return getattr(self._handle, method).remote(*args).result(timeout_s=TIMEOUT_S)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, _AWAY):
                raise DetectorUnavailable(_sentence(error.cause)) from error
            raise Permanent(f"the model failed: {error.cause}") from error
        except _AWAY as error:
            raise DetectorUnavailable(_sentence(error)) from error

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._handle: Any = None
        self._spec: DetectorSpec | None = None

    def __getstate__(self) -> dict[str, str]:
        return {"app": self._app}

    def __setstate__(self, state: dict[str, str]) -> None:
        self._app = state["app"]
        self._forget()


def _sentence(error: BaseException) -> str:
    return f"the detector did not answer: {type(error).__name__}"
