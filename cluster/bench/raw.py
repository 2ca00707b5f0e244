"""The limit that pipelines are held to: the network alone."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from openvino import AsyncInferQueue, Core


def raw_inference(model: Path, frames: int) -> Callable[[], float]:
    """Asynchronous inference of one picture in memory, again and again: nothing is decoded, scaled or read.

    Returns:
        A function that runs ``frames`` of them and gives frames a second.
    """
    network = Core().compile_model(model / "yolo11n.xml", "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    queue = AsyncInferQueue(network, network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    picture = np.random.default_rng(1).random((1, 3, 640, 640), np.float32)

    def run() -> float:
        began_s = time.perf_counter()
        for _ in range(frames):
            queue.start_async([picture], share_inputs=True)
        queue.wait_all()
        return frames / (time.perf_counter() - began_s)

    return run
