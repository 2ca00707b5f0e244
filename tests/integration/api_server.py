"""The API on loopback in a thread, and a client of it, for tests."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from schema.settings import StorageSettings
from serve_app.api.app import build_api

PATIENCE_S = 10.0
NO_FILES = StorageSettings(url="file:///nonexistent")


@dataclass(frozen=True, kw_only=True)
class Api:
    """A running API and an HTTP client of it."""

    port: int
    http: httpx.Client

    def live_url(self, query: str = "") -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/live{query}"

    def add_camera(self, name: str, **fields: Any) -> dict[str, Any]:
        answer = self.http.post("/api/v1/cameras", json={"name": name, "source": f"{name}.mp4", **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()


@contextmanager
def running_api(
    dsn: str, redis_url: str, storage: StorageSettings = NO_FILES, replica_dsns: Sequence[str] = ()
) -> Iterator[Api]:
    app = build_api(dsn=dsn, redis_url=redis_url, storage=storage, replica_dsns=replica_dsns, pool_size=4)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, name="api")
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            yield Api(port=port, http=client)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


def wait_until(true: Any, patience_s: float = PATIENCE_S) -> None:
    """Ask again and again until it is true."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def assert_problem(answer: httpx.Response, status: int, *words: str) -> None:
    """The answer is a problem of this status whose sentence has these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert_has(problem["detail"], words)


def assert_has(sentence: str, words: Sequence[str]) -> None:
    missing = [word for word in words if word not in sentence]
    assert not missing, f"{missing} not in: {sentence}"
