"""Errors of the API: always a problem, always one sentence, never a password."""

import asyncio
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from pydantic import ValidationError

from schema.errors import AlreadyExists, BadInput, NotFound, StoreUnavailable
from serve_app.api import problems
from serve_app.api.shapes import CameraBody, LineBody, ZoneBody


def app() -> FastAPI:
    made = FastAPI()
    problems.install(made)
    raised: dict[str, Exception] = {
        "bad": BadInput("line 'door' starts and ends at the same point: give two different points"),
        "missing": NotFound("there is no camera 'lobby'"),
        "taken": AlreadyExists("there is a camera 'lobby' already: choose another name"),
        "away": StoreUnavailable("PostgreSQL at 10.0.0.1:5432 did not answer"),
        "broken": RuntimeError("row (7, rtsp://viewer:geheim@10.0.0.7/1) failed"),
    }

    @made.get("/raise/{what}")
    async def fail(what: str) -> None:
        raise raised[what]

    @made.put("/cameras")
    async def put(body: CameraBody) -> str:
        return body.source

    return made


def ask(method: str, path: str, **sent: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app())
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, **sent)

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("what", "status"), [("bad", 422), ("missing", 404), ("taken", 409), ("away", 503), ("broken", 500)]
)
def test_every_error_is_a_problem(what: str, status: int) -> None:
    answer = ask("GET", f"/raise/{what}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["instance"] == f"/raise/{what}"
    assert "\n" not in problem["detail"]


def test_bad_input_is_told_in_its_own_words() -> None:
    assert "give two different points" in ask("GET", "/raise/bad").json()["detail"]


def test_a_store_that_is_away_says_when_to_come_back() -> None:
    answer = ask("GET", "/raise/away")
    assert answer.headers["retry-after"] == "1"
    assert "10.0.0.1" not in answer.text


def test_an_unexpected_failure_is_logged_without_its_password() -> None:
    with structlog.testing.capture_logs() as logs:
        answer = ask("GET", "/raise/broken")
    assert "geheim" not in answer.text
    assert "geheim" not in str(logs)
    assert "RuntimeError" in str(logs)


def test_a_wrong_path_or_method_is_a_problem() -> None:
    assert ask("GET", "/nowhere").json()["detail"] == "there is nothing at /nowhere: /docs lists what there is"
    answer = ask("DELETE", "/cameras")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "PUT"


def test_a_wrong_field_is_named_and_what_was_sent_is_not_repeated() -> None:
    answer = ask("PUT", "/cameras", json={"source": ["geheim"], "detect_fps": "geheim"})
    assert answer.status_code == 422
    assert [complaint["where"] for complaint in answer.json()["complaints"]] == ["body.source", "body.detect_fps"]
    assert "geheim" not in answer.text


def test_an_unknown_field_is_answered_with_the_nearest() -> None:
    detail = ask("PUT", "/cameras", json={"source": "a.mp4", "detekt_fps": 5}).json()["detail"]
    assert detail == "body: unknown key 'detekt_fps': did you mean 'detect_fps'?"


def test_broken_json_is_a_problem() -> None:
    answer = ask("PUT", "/cameras", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize("source", ["ftp://host/x", "rtsp://host/\nx", "", "file\x00"])
def test_an_impossible_source_is_refused(source: str) -> None:
    with pytest.raises(ValidationError):
        CameraBody(source=source)


def test_an_answered_source_stands_for_the_stored_one() -> None:
    stored = "rtsp://viewer:geheim@10.0.0.7/1?token=abc"
    assert CameraBody(source="rtsp://***@10.0.0.7/1?token=***").real_source(stored) == stored


@pytest.mark.parametrize("current", [None, "rtsp://viewer:geheim@10.0.0.8/1"])
def test_a_hidden_password_that_nobody_can_fill_in_is_refused(current: str | None) -> None:
    with pytest.raises(BadInput, match="password is hidden"):
        CameraBody(source="rtsp://***@10.0.0.7/1").real_source(current)


def test_rule_bodies_refuse_what_geometry_refuses() -> None:
    with pytest.raises(BadInput, match="needs four numbers"):
        LineBody(kind="line", coordinates=(0.1, 0.2)).rule("door")
    with pytest.raises(BadInput, match="odd count"):
        ZoneBody(kind="zone", coordinates=(0.1, 0.2, 0.3)).rule("hall")
    with pytest.raises(BadInput, match=r"zone 'hall': coordinate 1\.5 is outside"):
        ZoneBody(kind="zone", coordinates=(0.1, 0.2, 1.5, 0.3, 0.4, 0.9)).rule("hall")
