"""A real S3 server for tests: SeaweedFS on loopback, which refuses wrong signatures."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import s3fs
from botocore.exceptions import BotoCoreError

from tests.certificate import make_certificate
from tests.ports import free_ports

ACCESS_KEY = "turnstile"
SECRET_KEY = "a-secret-of-the-tests"
REGION = "eu-central-1"
_WEED = Path(sys.executable).with_name("weed")
_START_S = 30.0
_ROLES = ("master", "volume", "filer", "s3")
_MAY = ["Admin", "Read", "Write", "List", "Tagging"]


class S3Server:
    """SeaweedFS with one user, with and without TLS."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        names = [f"{role}.port{kind}" for role in _ROLES for kind in ("", ".grpc")] + ["s3.port.https"]
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._ports["s3.port"]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_endpoint(self) -> str:
        return f"https://127.0.0.1:{self._ports['s3.port.https']}"

    @property
    def certificate(self) -> Path:
        return self._folder / "certificate.pem"

    def start(self) -> None:
        """Start, and return when it takes a user's word."""
        self._folder.mkdir(parents=True, exist_ok=True)
        users = self._folder / "users.json"
        credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        users.write_text(json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": _MAY}]}))
        certificate, key = make_certificate(self._folder)
        listen = [f"-{name}={port}" for name, port in self._ports.items()]
        with (self._folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    _WEED, "server", f"-dir={self._folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *listen,
                    "-s3", f"-s3.config={users}", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
                    f"-s3.cert.file={certificate}", f"-s3.key.file={key}",
                    "-volume.max=1000", "-master.volumeSizeLimitMB=64", "-volume.preStopSeconds=0",
                    "-master.telemetry=false", "-s3.allowDeleteBucketNotEmpty", "-s3.autoCreateBucket=false",
                ],
                stdout=log,
                stderr=log,
            )  # fmt: skip
        try:
            self._wait_until_it_serves(self._process)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def make_bucket(self, name: str) -> None:
        self.admin().mkdir(name)

    def drop_bucket(self, name: str) -> None:
        self.admin().rm(name, recursive=True)

    def admin(self) -> s3fs.S3FileSystem:
        """The server as its user sees it, without any cache."""
        return s3fs.S3FileSystem(
            key=ACCESS_KEY,
            secret=SECRET_KEY,
            endpoint_url=self.endpoint,
            client_kwargs={"region_name": REGION},
            config_kwargs={"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 1}},
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    def _wait_until_it_serves(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        while not self._serves():
            assert process.poll() is None, f"the S3 server ended: see {self._folder / 'weed.log'}"
            assert time.monotonic() < deadline, "the S3 server did not start in time"
            time.sleep(0.1)

    def _serves(self) -> bool:
        try:
            self.make_bucket("ready")
        except FileExistsError:
            return True
        except (OSError, BotoCoreError):
            return False
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
