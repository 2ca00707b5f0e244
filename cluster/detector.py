"""Puts the detector on Serve, and changes its model."""

import time
from pathlib import Path
from typing import Any, cast

import ray
import structlog
from ray import serve
from ray.serve import context
from ray.serve.schema import ApplicationStatus

from schema.errors import BadInput, Permanent
from schema.names import DETECTOR_APP
from schema.ports import DetectorSpec
from schema.settings import Settings
from serve_app.client import ServedDetector
from serve_app.deployments import DetectorOptions, OpenModel, detector_config
from serve_app.detector.choose import AUTO, SSDLITE

log = structlog.get_logger(__name__)

START_S = 300.0
"""Fetching weights or building an engine may take minutes."""
_POLL_S = 0.1


def deploy_detector(settings: Settings, model: str, open_model: OpenModel | None) -> DetectorSpec:
    """Start the detector with a model or, where it runs, swap its model live: the old one answers meanwhile.

    Args:
        settings: replicas, GPU share, weights.
        model: what to open.
        open_model: a module's function that opens it; None takes ``open_detector``.

    Returns:
        The model that answers now.

    Raises:
        BadInput: the model cannot be opened; one that ran before stays.
        Permanent: Serve cannot start the detector.
    """
    client = cast(Any, context)._get_global_client()  # what Serve's REST API uses
    client.deploy_apps(detector_config(model, _options(settings, open_model)))
    _wait_until_running()
    detector = ServedDetector()
    while (condition := detector.condition()).asked_model != model or condition.opening:
        time.sleep(_POLL_S)
    if condition.refused_model == model or condition.spec is None:
        raise BadInput(condition.reason)
    if model == AUTO and condition.spec.model.startswith(SSDLITE):
        # The replica said so too, but only in Ray's log files.
        log.warning(
            "YOLO weights cannot be fetched, counting with SSDLite, which finds fewer people: "
            "set detector.weights to a model that you have",
            weights=settings.detector.weights,
        )
    return condition.spec


def _options(settings: Settings, open_model: OpenModel | None) -> DetectorOptions:
    gpus = ray.cluster_resources().get("GPU", 0)
    nodes = sum(node["Alive"] for node in ray.nodes())
    at_least = settings.detector.min_replicas
    function = cast(Any, open_model)
    return DetectorOptions(
        weights=settings.detector.weights,
        cache=Path(settings.cache) / "weights",
        open_model=None if open_model is None else f"{function.__module__}:{function.__qualname__}",
        min_replicas=at_least,
        # On CPU one replica keeps all cores of its node busy: a second one there would only halve both.
        max_replicas=settings.detector.max_replicas if gpus else max(at_least, nodes),
        num_cpus=1,
        num_gpus=settings.detector.gpu_share if gpus else 0,
    )


def _wait_until_running() -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        app = serve.status().applications.get(DETECTOR_APP)
        if app is not None and app.status == ApplicationStatus.RUNNING:
            return
        if time.monotonic() > deadline_s or (app is not None and app.status == ApplicationStatus.DEPLOY_FAILED):
            raise Permanent(f"the detector does not start: {app.message if app else 'Serve does not know it'}")
        time.sleep(_POLL_S)
