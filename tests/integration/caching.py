"""A Redis of a test's own, that it may stop, empty and walk through."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.exceptions import RedisError

from cluster.packages import redis_program


class OwnRedis:
    """A server on loopback without a password; ``stop`` and ``start`` keep its address and lose its keys."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis.from_url(self.url)
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        options = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", tempfile.gettempdir())
        self._process = subprocess.Popen([str(redis_program()), *options], stdout=subprocess.DEVNULL)
        deadline_s = time.monotonic() + 10
        while True:
            try:
                self.client.ping()
            except RedisError:
                assert time.monotonic() < deadline_s, "Redis does not start"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def all_keys(self) -> list[str]:
        return sorted(key.decode() for key in self.client.scan_iter())


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    server = OwnRedis()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.client.close()
