"""Starts Ray on this machine, or joins a cluster's."""

import logging
import os
from typing import Any

import ray
from ray.util import list_named_actors

from cluster.home import ray_address_file, use_token
from cluster.resources import CONTROL, STREAMS
from schema.names import RAY_NAMESPACE
from schema.settings import KEYS_FILE_VARIABLE, Settings, named_keys

OBJECT_STORE_BYTES = 256 * 2**20
"""A batch of eight 640x640 pictures takes 10 MB, and a worker has at most three on their way."""
# A node that is gone is noticed within about 3 s (by default 15 to 65). Processes are started when they are needed.
_RAY_CONFIG = {
    "health_check_initial_delay_ms": 5000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
}


def start_ray(settings: Settings) -> str:
    """Gives the dashboard's address."""
    if settings.ray_address is None:
        use_token(settings)
    keys = named_keys()
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    common: dict[str, Any] = {
        "namespace": RAY_NAMESPACE,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "runtime_env": {
            "worker_process_setup_hook": "cluster.logs.configure_logging",
            # The path only: keys themselves would be shown in Ray's dashboard.
            "env_vars": {} if keys.file is None else {KEYS_FILE_VARIABLE: str(keys.file)},
        },
    }
    if settings.ray_address is not None:
        context: Any = ray.init(address=settings.ray_address, **common)
        # Workers of a run that was killed: their journals stay, and those who come now take them over.
        for name in list_named_actors():
            ray.kill(ray.get_actor(name))
    else:
        context = ray.init(
            num_cpus=max(2, os.cpu_count() or 1),
            resources={STREAMS: 4096, CONTROL: 1},
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=True,
            _system_config=_RAY_CONFIG,
            **common,
        )
    ray_address_file(settings).write_text(context.address_info["gcs_address"])
    return str(context.dashboard_url)
