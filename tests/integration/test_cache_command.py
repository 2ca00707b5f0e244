"""``turnstile cache`` and ``turnstile flags`` on a real Redis."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.cli import run
from schema.cache.families import ANSWER, FAMILIES
from tests.integration.caching import OwnRedis

pytestmark = pytest.mark.integration

Turnstile = Callable[..., tuple[int, str, str]]


@pytest.fixture
def turnstile(
    redis: OwnRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Turnstile:
    monkeypatch.setenv("TURNSTILE_REDIS_URL", redis.url)
    monkeypatch.setenv("TURNSTILE_HOME", str(tmp_path))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_every_family_is_listed_with_its_life_and_what_its_loss_costs(turnstile: Turnstile):
    listed = json.loads(turnstile("cache", "families", "--json")[1])
    assert [family["name"] for family in listed] == [family.name for family in FAMILIES]
    assert all(family["bound"] and family["owner"] and family["lost"] for family in listed)
    assert "turnstile:today:<tenant>:<day>" in turnstile("cache", "families")[1]


def test_keys_are_counted_and_forgotten(turnstile: Turnstile, redis: OwnRedis):
    redis.client.set(ANSWER.key(1, "digest"), b"answer", ex=60)
    redis.client.set("another:program", b"value")
    status = json.loads(turnstile("cache", "status", "--json")[1])
    assert (status["keys"]["answer"], status["other"]) == (1, 1)
    assert "no maxmemory" in status["warnings"][0]
    assert "no maxmemory" in turnstile("cache", "status")[1]
    assert turnstile("cache", "clear")[1].startswith("1 keys are gone")
    assert redis.all_keys() == ["another:program"]


def test_a_flag_is_set_and_left_to_its_default_again(turnstile: Turnstile):
    assert turnstile("flags", "set", "cached-counts", "false")[:2] == (0, "cached-counts is off\n")
    flags = {flag["name"]: flag for flag in json.loads(turnstile("flags", "list", "--json")[1])}
    assert (flags["cached-counts"]["on"], flags["cached-counts"]["set"]) == (False, True)
    assert turnstile("flags", "unset", "cached-counts")[:2] == (0, "cached-counts has its default: on\n")
    assert "cached-counts" in turnstile("flags", "list")[1]


def test_a_redis_that_is_not_there_is_one_line(turnstile: Turnstile, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TURNSTILE_REDIS_URL", "redis://:geheim@127.0.0.1:1/0")
    code, out, err = turnstile("flags", "list")
    assert (code, out) == (2, "")
    assert "correct redis_url" in err
    assert "geheim" not in err
