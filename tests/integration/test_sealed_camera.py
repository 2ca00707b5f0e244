"""A camera with a password is watched by the running system, and nothing that the system keeps or says shows it."""

import subprocess
from pathlib import Path

import httpx
import pytest

from cluster.main import Running
from cluster.services import Services
from tests.clips import make_clip
from tests.integration.rtsp_server import RtspServer, missing
from tests.integration.street import eventually

pytestmark = [pytest.mark.integration, pytest.mark.skipif(missing() is not None, reason=str(missing()))]


def test_workers_get_the_password_and_nobody_else_does(system: Running, system_services: Services, tmp_path: Path):
    recording = make_clip(tmp_path / "street.mp4", 40)
    with (
        RtspServer(recording, user="joe", password="geheim") as server,
        httpx.Client(base_url=f"{system.api_url}/api/v1", timeout=10) as http,
    ):
        camera = {"name": "guarded", "source": server.url, "lines": {"door": {"coordinates": [0.5, 0, 0.5, 1]}}}
        answer = http.post("/cameras", json=camera)
        assert answer.status_code == 201
        try:
            watched = lambda: http.get("/cameras/guarded").json()["status"] == "connected"  # noqa: E731
            eventually("it is watched", watched, within_s=60)
            dsn = system_services.postgres.url
            dump = subprocess.run(["pg_dump", "--inserts", dsn], capture_output=True, check=True, text=True).stdout
            said = answer.text + http.get("/cameras").text + str(system.overview())
        finally:
            http.delete("/cameras/guarded")
    for text in (dump, said):
        assert "guarded" in text
        assert "geheim" not in text
