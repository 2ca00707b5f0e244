"""The detector as a Serve deployment: one model, shared by all camera workers."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeDeploySchema
from ray.util.metrics import Histogram

from schema.errors import BadInput
from schema.events import Detections, FrameId
from schema.names import DETECTOR_APP, DETECTOR_DEPLOYMENT, DETECTOR_INFERENCE_SECONDS
from schema.ports import Detector, DetectorSpec
from serve_app.detector.choose import open_detector

log = structlog.get_logger(__name__)

ONGOING = 8
"""Batches in a replica at once: enough to keep the engine busy while answers travel."""
QUEUED = 64
"""Batches that may wait at a worker's side; more are refused (``BackPressureError``), and the worker backs off."""

OpenModel = Callable[[str], Detector]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a replica says. ``detections`` is None when the batch was scaled for another model than ``spec``."""

    spec: DetectorSpec
    detections: list[Detections] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Which model a replica has, None if its first could not be opened, and which it refused, and why.

    ``asked_model`` is what it was last told to open; ``opening``: it is about to have another one. ``pid`` is the
    replica's process on its node.
    """

    spec: DetectorSpec | None
    pid: int
    asked_model: str = ""
    opening: bool = False
    refused_model: str = ""
    reason: str = ""


class DetectorReplica:
    """One copy of the model. A new ``user_config`` changes the model while the old one goes on answering."""

    def __init__(self, options: "DetectorOptions") -> None:
        self._open_model = options.opener()
        self._detector: Detector | None = None
        self._asked = ""
        self._refused = ("", "")
        self._opening: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(ONGOING, thread_name_prefix="detect")
        self._seconds = Histogram(
            DETECTOR_INFERENCE_SECONDS,
            "From a batch's arrival at the model to its answer.",
            boundaries=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5],
        )

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Open the model that ``user_config["model"]`` names. A bad one is reported by ``condition``, never raised.

        Serve holds requests back until this returns, so only the first model is waited for.
        """
        self._asked = user_config["model"]
        self._opening = asyncio.create_task(self._change(self._asked))
        if self._detector is None:
            await self._opening

    async def _change(self, model: str) -> None:
        try:
            self._detector = await asyncio.to_thread(self._open_model, model)
        except BadInput as error:
            self._refused = (model, str(error))
            log.error("Model refused, the old one stays", model=model, reason=str(error))  # noqa: TRY400
        else:
            self._refused = ("", "")
            log.info("Model opened", model=self._detector.spec.model)

    async def condition(self) -> Condition:
        """Which model answers, and which was refused."""
        model, reason = self._refused
        return Condition(
            spec=self._detector.spec if self._detector else None,
            pid=os.getpid(),
            asked_model=self._asked,
            opening=self._opening is not None and not self._opening.done(),
            refused_model=model,
            reason=reason,
        )

    async def detect(self, batch: NDArray[np.uint8], ids: Sequence[FrameId]) -> Answer:
        """Find people, as ``Detector.detect``; a batch of another size than the model's is not looked at."""
        detector = self._detector
        if detector is None:
            raise BadInput(self._refused[1])
        spec = detector.spec
        if batch.shape[1:3] != (spec.height, spec.width):
            return Answer(spec=spec, detections=None)
        started = time.perf_counter()
        found = await asyncio.get_running_loop().run_in_executor(self._pool, detector.detect, batch, ids)
        self._seconds.observe(time.perf_counter() - started)
        return Answer(spec=spec, detections=found)


class DetectorOptions(BaseModel):
    """What stays the same while the application runs; the model does not, so it is not here but in ``user_config``.

    ``open_model`` is ``module:function`` of another way to open a model by name, for those who have their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str
    cache: Path
    open_model: str | None
    min_replicas: int
    max_replicas: int
    num_cpus: float
    num_gpus: float

    def opener(self) -> OpenModel:
        """The function that opens models."""
        if self.open_model is None:
            return partial(open_detector, weights=self.weights, cache=self.cache)
        module, _, name = self.open_model.partition(":")
        return cast(OpenModel, getattr(import_module(module), name))


def detector_app(options: DetectorOptions) -> Application:
    """Build the application; Serve calls this with the ``args`` of its configuration."""
    deployment = cast(Any, serve.deployment)(
        DetectorReplica,
        name=DETECTOR_DEPLOYMENT,
        max_ongoing_requests=ONGOING,
        max_queued_requests=QUEUED,
        autoscaling_config=AutoscalingConfig(
            min_replicas=options.min_replicas, max_replicas=options.max_replicas, target_ongoing_requests=ONGOING / 2
        ),
        ray_actor_options={"num_cpus": options.num_cpus, "num_gpus": options.num_gpus},
        health_check_period_s=2,
        health_check_timeout_s=10,
        graceful_shutdown_timeout_s=5,
    )
    return deployment.bind(options)


def detector_config(model: str, options: DetectorOptions) -> ServeDeploySchema:
    """The application as Serve's configuration.

    Deployed again with another model, its replicas stay and are reconfigured. ``serve.run`` would replace them, and
    nobody would answer for seconds.
    """
    return ServeDeploySchema.model_validate(
        {
            "applications": [
                {
                    "name": DETECTOR_APP,
                    "route_prefix": None,
                    "import_path": f"{__name__}:{detector_app.__name__}",
                    "args": options.model_dump(mode="json"),
                    "deployments": [{"name": DETECTOR_DEPLOYMENT, "user_config": {"model": model}}],
                }
            ]
        }
    )
