"""Starts the whole system on Ray, and stops it: counting shards, relay, detector, API, supervisor and its workers."""

import contextlib
import io
import logging
import os
import socket
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

import ray
import structlog
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import RayError
from ray.util import list_named_actors

from actors.remote import CountingActor, JobActor, RelayActor
from actors.worker.keeper import PicturesTo
from cluster.detector import deploy_detector
from cluster.fleet import SupervisorActor
from cluster.home import ray_address_file, use_token
from cluster.jobs import job_plan
from cluster.model_records import note_opened, note_refused
from cluster.resources import CONTROL, CONTROL_SHARE, STREAMS
from cluster.rotation import check_keys
from cluster.services import Endpoints
from cluster.supervisor import Overview
from schema.database import migrate, open_engine
from schema.errors import BadInput, Retryable
from schema.names import (
    API_APP,
    API_DEPLOYMENT,
    RAY_NAMESPACE,
    RELAY_ACTOR,
    SUPERVISOR_ACTOR,
    counter_actor,
    job_actor,
)
from schema.ports import DetectorSpec
from schema.settings import KEYS_FILE_VARIABLE, KEYS_VARIABLE, Settings, named_keys
from schema.storage import open_storage
from serve_app.api.deployment import Api
from serve_app.client import ServedDetector
from serve_app.deployments import OpenModel

log = structlog.get_logger(__name__)

OBJECT_STORE_BYTES = 256 * 2**20
"""A batch of eight 640x640 pictures takes 10 MB, and a worker has at most three on their way."""
DRAIN_S = 10.0
# A node that is gone is noticed within about 3 s (by default 15 to 65). Processes are started when they are needed.
_RAY_CONFIG = {
    "health_check_initial_delay_ms": 5000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
}


@dataclass(frozen=True, kw_only=True)
class Running:
    """A system that this process started. ``api_url`` is None where no API was wanted."""

    settings: Settings
    endpoints: Endpoints
    model: DetectorSpec
    open_model: OpenModel | None
    api_url: str | None
    supervisor: ActorHandle[Any]
    others: tuple[ActorHandle[Any], ...]
    """Counting shards, relay and job workers: they live as long as somebody holds them."""
    dashboard_url: str

    def overview(self) -> Overview:
        """What the supervisor saw last."""
        return cast(Overview, ray.get(self.supervisor.overview.remote()))

    def change_model(self, model: str) -> DetectorSpec:
        """Swap the model live; the old one answers until the new one is open.

        Raises:
            BadInput: the new one cannot be opened, and the old one stays.
        """
        return _deploy_model(self.settings, self.endpoints, model, self.open_model)

    def stop(self) -> None:
        """Let go of all cameras, deliver what was counted, and end every process that was started."""
        with contextlib.suppress(RayError, ValueError):
            workers = [ray.get_actor(name) for name in ray.get(self.supervisor.stop.remote(), timeout=DRAIN_S)]
            drained: list[Any] = [worker.drain.remote(DRAIN_S) for worker in workers]
            if drained:
                ray.wait(drained, num_returns=len(drained), timeout=2 * DRAIN_S)
            for worker in workers:
                ray.kill(worker)
        serve.shutdown()
        ray.shutdown()


def start(
    settings: Settings,
    endpoints: Endpoints,
    *,
    with_api: bool = True,
    with_live_cameras: bool = True,
    open_model: OpenModel | None = None,
) -> Running:
    """Bring up everything but the services, which must be there; cameras are found in PostgreSQL.

    Args:
        settings: what to start.
        endpoints: where the services are.
        with_api: serve the query API.
        with_live_cameras: watch live cameras too, not only recordings.
        open_model: a module's function that opens the model in the detector's replica; None takes ``open_detector``.

    Raises:
        BadInput: the database belongs to a newer version, the keys do not open what is sealed in it, the model cannot
            be opened, the API's port is taken, or the file storage refuses us.
    """
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if with_api:
        _check_port(settings)
    migrate(endpoints.postgres_owner_dsn)
    _check_keys(settings, endpoints)
    _check_storage(settings)
    dashboard_url = _start_ray(settings)
    try:
        counters = [_control(CountingActor, counter_actor(n)).remote(
            n, endpoints.postgres_dsn, endpoints.redis_url
        ) for n in range(settings.counting_shards)]  # fmt: skip
        relay = _control(RelayActor, RELAY_ACTOR).remote(endpoints.postgres_dsn, endpoints.amqp_url)
        serve.start(
            proxy_location="HeadOnly" if with_api else "Disabled",
            http_options={"host": settings.api.host, "port": settings.api.port},
        )
        model = _deploy_model(settings, endpoints, settings.model, open_model)
        if with_api:
            _start_api(settings, endpoints)
        ray.get([counter.heal.remote() for counter in counters])
        plan = job_plan(
            endpoints.postgres_dsn, settings.storage, redis_url=endpoints.redis_url, amqp_url=endpoints.amqp_url
        )
        workers = [_control(JobActor, job_actor(n)).remote(
            job_actor(n), endpoints.postgres_dsn, endpoints.amqp_url, plan
        ) for n in range(settings.jobs.workers)]  # fmt: skip
        supervisor = _control(SupervisorActor, SUPERVISOR_ACTOR).remote(
            endpoints.postgres_dsn,
            endpoints.redis_url,
            str(settings.home / "journals"),
            ServedDetector(),
            settings.counting_shards,
            settings.workers.cameras_per_worker,
            with_live_cameras,
            PicturesTo(dsn=endpoints.postgres_dsn, storage=settings.storage) if settings.evidence.enabled else None,
        )
    except BaseException:
        serve.shutdown()
        ray.shutdown()
        raise
    return Running(
        settings=settings,
        endpoints=endpoints,
        model=model,
        open_model=open_model,
        api_url=f"http://{settings.api.host}:{settings.api.port}" if with_api else None,
        supervisor=supervisor,
        others=(*counters, relay, *workers),
        dashboard_url=dashboard_url,
    )


@contextlib.contextmanager
def running(
    settings: Settings,
    endpoints: Endpoints,
    *,
    with_api: bool = True,
    with_live_cameras: bool = True,
    open_model: OpenModel | None = None,
) -> Generator[Running]:
    """The system from ``start`` to ``stop``; takes what ``start`` takes.

    Ray prints its news on standard output, which is for results: they go to ``ray.log`` under the home.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "ray.log").open("a") as news, contextlib.redirect_stdout(news):
        system = start(
            settings, endpoints, with_api=with_api, with_live_cameras=with_live_cameras, open_model=open_model
        )
        try:
            yield system
        finally:
            # Ray reports the end of its own controller, which we ask for, as an error.
            with contextlib.redirect_stdout(io.StringIO()):
                system.stop()


def _start_ray(settings: Settings) -> str:
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


def _deploy_model(settings: Settings, endpoints: Endpoints, model: str, open_model: OpenModel | None) -> DetectorSpec:
    """As ``deploy_detector``, and the store knows of it."""
    try:
        spec = deploy_detector(settings, model, open_model)
    except BadInput as error:
        note_refused(endpoints.postgres_dsn, asked=model, reason=str(error), now_ns=time.time_ns())
        raise
    note_opened(endpoints.postgres_dsn, spec, asked=model, now_ns=time.time_ns())
    return spec


def _control(actor: Any, name: str) -> Any:
    return actor.options(name=name, namespace=RAY_NAMESPACE, resources={CONTROL: CONTROL_SHARE})


def _start_api(settings: Settings, endpoints: Endpoints) -> None:
    api = cast(Any, serve.deployment)(
        Api,
        name=API_DEPLOYMENT,
        max_ongoing_requests=1000,
        ray_actor_options={"num_cpus": 0, "resources": {CONTROL: CONTROL_SHARE}},
    )
    serve.run(
        api.bind(endpoints.postgres_dsn, endpoints.redis_url, settings.storage, settings.postgres_replica_dsns),
        name=API_APP,
        route_prefix="/",
    )


def _check_keys(settings: Settings, endpoints: Endpoints) -> None:
    if settings.ray_address is not None and named_keys().text is not None:
        raise BadInput(
            f"{KEYS_VARIABLE} does not reach the processes of a Ray cluster: put the keys into a file on its head, and "
            "name that in keys_file"
        )
    engine = open_engine(endpoints.postgres_dsn, pool_size=1)
    try:
        check_keys(engine)
    finally:
        engine.dispose()


def _check_storage(settings: Settings) -> None:
    """A storage that is wrong is said so at once; one that is away delays files, not counting."""
    try:
        open_storage(settings.storage).check()
    except Retryable as error:
        log.warning("File storage is away, files will wait", error=str(error))


def _check_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.api.host, settings.api.port))
        except OSError as error:
            raise BadInput(
                f"the API cannot listen on {settings.api.host}:{settings.api.port} ({error.strerror}): "
                "set api.port to a free one"
            ) from None
