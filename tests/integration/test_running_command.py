"""``turnstile up``, ``status``, ``backfill`` into what runs, and ``down``, as a user calls them."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cluster.cli import run
from tests.integration.replayed import free_port

pytestmark = pytest.mark.integration

TURNSTILE = Path(sys.executable).with_name("turnstile")
PATIENCE_S = 90


@pytest.fixture
def home(tmp_path, services, dsn, clip):
    """A folder with settings that name the run's services and one camera."""
    settings = {
        "home": str(tmp_path / "state"),
        "model": "ssdlite",
        "postgres_dsn": dsn,
        "redis_url": services.redis.url,
        "amqp_url": services.rabbitmq.url,
        "api": {"port": free_port()},
        "cameras": {"yard": {"source": str(clip), "detect_fps": 4, "lines": {"level": [0, 0.5, 1, 0.5]}}},
    }
    (tmp_path / "turnstile.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def turnstile(home, *arguments, code=0):
    done = subprocess.run(
        [TURNSTILE, *map(str, arguments)], cwd=home, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_a_system_is_started_asked_joined_and_stopped(home, clip):
    assert json.loads(turnstile(home, "status", "--json", code=1)) == {"running": False}
    up = subprocess.Popen([TURNSTILE, "up"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        first = up.stdout.readline()
        assert "model ssdlite" in first, up.stderr.read()
        deadline = time.monotonic() + PATIENCE_S
        while True:
            status = json.loads(turnstile(home, "status", "--json"))
            if [camera["state"] for camera in status["cameras"]] == ["watching"]:
                break
            assert time.monotonic() < deadline, status
        line = "level=0,0.5,1,0.5"
        counted = json.loads(turnstile(home, "backfill", clip, "--camera", "tape", "--line", line, "--json"))
        assert counted["videos"][0]["frames"] == 150
        assert counted["videos"][0]["lines"]["level"]["out"] > 0
        assert "stopped" in turnstile(home, "down")
        assert up.wait(timeout=PATIENCE_S) == 0
    finally:
        up.kill()
        up.communicate()


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("postgres_dsn", "postgresql://me:hush@127.0.0.1:{port}/db"),
        ("redis_url", "redis://:hush@127.0.0.1:{port}/0"),
        ("amqp_url", "amqp://me:hush@127.0.0.1:{port}/"),
    ],
)
def test_up_on_a_server_that_is_down_is_one_line_and_exit_code_2(home, monkeypatch, capsys, key, url):
    port = free_port()
    monkeypatch.chdir(home)
    monkeypatch.setenv(f"TURNSTILE_{key.upper()}", url.format(port=port))
    assert run(["up"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"127.0.0.1:{port}" in said.err
    assert key in said.err
    assert "hush" not in said.err


def test_up_on_a_port_that_is_taken_is_one_line_and_exit_code_2(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("TURNSTILE_API__PORT", str(port))
        assert run(["up"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"127.0.0.1:{port}" in said.err
    assert "api.port" in said.err
