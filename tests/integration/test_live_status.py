"""The running system says how its cameras are doing, and goes on when Redis comes back empty."""

import httpx
import pytest
from sqlalchemy import Engine

from cluster.main import Running
from cluster.services import Services
from tests.integration.street import Street, eventually

pytestmark = pytest.mark.integration


def states(http: httpx.Client, street: Street) -> list[str | None]:
    names = {camera.name for camera in street.cameras}
    cameras = [camera for camera in http.get("/api/v1/cameras").json() if camera["name"] in names]
    return [camera["now"] and camera["now"]["state"] for camera in cameras]


def test_the_list_of_cameras_shows_what_workers_say_now(replaying: Running, engine: Engine, system_services: Services):
    with (
        Street(replaying, engine) as street,
        httpx.Client(base_url=str(replaying.api_url), timeout=10) as http,
    ):
        watching = ["watching"] * len(street.cameras)
        eventually("all are watched", lambda: states(http, street) == watching)
        system_services.redis.stop()
        assert set(states(http, street)) == {None}
        system_services.redis.start()
        eventually("it is said again", lambda: states(http, street) == watching)
