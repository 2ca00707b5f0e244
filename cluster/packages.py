"""Debian packages that Turnstile stands on: which are missing, and installing them as root.

Imports the standard library and the errors only, because set-up runs it before anything else is installed:
``python3 -m cluster.packages postgresql libraries``.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from schema.errors import BadInput

POSTGRES_FLOOR = 15


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that must be installed, in words and in Debian packages."""

    words: str
    packages: tuple[str, ...]


NEEDS = {
    "venv": Need(words="Python's venv module", packages=("python3-venv",)),
    "postgresql": Need(words="PostgreSQL", packages=("postgresql",)),
    "redis": Need(words="Redis", packages=("redis-server",)),
    "rabbitmq": Need(words="RabbitMQ", packages=("rabbitmq-server",)),
    "libraries": Need(words="the graphics libraries that OpenCV loads", packages=("libgl1", "libglib2.0-0", "libxcb1")),
    "rtsp": Need(
        words="the GStreamer RTSP server for tests",
        packages=(
            "gir1.2-gst-rtsp-server-1.0",
            "gstreamer1.0-plugins-bad",
            "gstreamer1.0-plugins-good",
            "python3-gi",
        ),
    ),
}
_POLICY = Path("/usr/sbin/policy-rc.d")
_CREATE_CLUSTER = Path("/etc/postgresql-common/createcluster.conf")


def postgres_programs() -> Path | None:
    """The folder with the newest ``postgres`` and ``initdb``, at least version 15."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: -int(path.parts[-3]))
    if installed:
        return installed[0].parent if int(installed[0].parts[-3]) >= POSTGRES_FLOOR else None
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def redis_program() -> Path | None:
    """The Redis server (or Valkey, which took it over)."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def rabbitmq_program() -> Path | None:
    """RabbitMQ's own start script. Debian's wrapper on the PATH insists on its own user: look behind it."""
    if not (shutil.which("erl") and shutil.which("epmd")):
        return None
    behind = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    found = str(behind) if behind.exists() else shutil.which("rabbitmq-server")
    return Path(found) if found else None


def ensure(*needs: str) -> None:
    """Have these needs (keys of ``NEEDS``) met, installing packages if we may.

    Raises:
        BadInput: a need is unmet and we are not root on a Debian-like system; names the command to run.
    """
    missing = [need for need in needs if not _is_met(need)]
    if not missing:
        return
    packages = [package for need in missing for package in NEEDS[need].packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BadInput(
            f"{_listed(missing)} must be installed first: "
            f"sudo apt-get install --no-install-recommends {' '.join(packages)}"
        )
    complaint = _install(packages)
    if unmet := [need for need in missing if not _is_met(need)]:
        sys.stderr.write(complaint)
        raise BadInput(f"{_listed(unmet)} cannot be used after installing {' '.join(packages)}: check those packages")
    if complaint:
        # Some package's own set-up can fail where what it brings works all the same: the system's TLS certificate
        # cannot be made on a read-only /etc/ssl, and our PostgreSQL never uses it.
        sys.stderr.write("apt-get could not finish every package's set-up, but all that is needed here works\n")


def _is_met(need: str) -> bool:
    if need == "venv":
        return find_spec("ensurepip") is not None  # Debian leaves it out of its python3
    if need == "postgresql":
        return postgres_programs() is not None
    if need == "redis":
        return redis_program() is not None
    if need == "rabbitmq":
        return rabbitmq_program() is not None
    if need == "libraries":
        return all(find_library(name) for name in ("GL", "glib-2.0", "gthread-2.0", "xcb"))
    return _has_packages(NEEDS[need].packages)


def _has_packages(packages: Sequence[str]) -> bool:
    if not shutil.which("dpkg-query"):
        return False
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.split() == ["installed"] * len(packages)


def _install(packages: Sequence[str]) -> str:
    """Install, and give what apt-get said where it failed."""
    sys.stderr.write(f"Installing {' '.join(packages)}\n")
    apt = ["apt-get", "-qq", "-o", "Dpkg::Options::=--force-confold"]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    complaint = ""
    with _no_system_services():
        for command in ([*apt, "update"], [*apt, "install", "--no-install-recommends", "--yes", *packages]):
            done = subprocess.run(
                command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            if done.returncode:
                complaint += done.stdout
    return complaint


@contextmanager
def _no_system_services() -> Iterator[None]:
    """Keep the packages from starting servers of the system and from making a database cluster of their own."""
    made: list[Path] = []
    try:
        for path, text, mode in (
            (_POLICY, "#!/bin/sh\nexit 101\n", 0o755),
            (_CREATE_CLUSTER, "create_main_cluster = false\n", 0o644),
        ):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                path.chmod(mode)
                made.append(path)
        yield
    finally:
        if _POLICY in made:
            _POLICY.unlink()


def _listed(needs: Iterable[str]) -> str:
    return ", ".join(NEEDS[need].words for need in needs)


if __name__ == "__main__":
    try:
        ensure(*sys.argv[1:])
    except BadInput as error:
        sys.stderr.write(f"turnstile: {error}\n")
        sys.exit(2)
