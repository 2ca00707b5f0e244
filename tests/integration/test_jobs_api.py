"""Jobs over HTTP: requested, seen, cancelled, refused."""

from collections.abc import Iterator

import pytest

from tests.integration.api_server import Api, assert_problem, running_api
from tests.integration.job_bench import ARGUMENTS, KIND

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def api(services, dsn: str) -> Iterator[Api]:
    with running_api(dsn, services.redis.url) as api:
        yield api


def test_a_job_is_requested_seen_and_cancelled(api: Api):
    answer = api.http.post("/api/v1/jobs", json={"kind": KIND, "arguments": ARGUMENTS, "key": "k"})
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["state"], asked["progress"], asked["arguments"]) == ("queued", 0, ARGUMENTS)
    assert api.http.post("/api/v1/jobs", json={"kind": KIND, "arguments": ARGUMENTS, "key": "k"}).json() == asked
    assert api.http.get(answer.headers["Location"]).json() == asked
    assert api.http.get("/api/v1/jobs", params={"kind": KIND, "state": "queued"}).json() == [asked]
    assert api.http.get("/api/v1/jobs", params={"before": asked["id"]}).json() == []
    cancelled = api.http.delete(answer.headers["Location"]).json()
    assert (cancelled["state"], cancelled["finished_at"] is None) == ("cancelled", False)
    assert_problem(api.http.delete(answer.headers["Location"]), 422, "is cancelled already")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"kind": "dance"}, ("no jobs 'dance'", "backfill")),
        ({"kind": KIND}, ("export", "what: Field required")),
        ({"kind": KIND, "arguments": {**ARGUMENTS, "format": "doc"}}, ("format", "csv")),
        ({"kind": "rollup", "arguments": {"fast": True}}, ("rollup", "fast")),
    ],
)
def test_a_request_that_cannot_be_is_refused_in_one_sentence(api: Api, body, words):
    assert_problem(api.http.post("/api/v1/jobs", json=body), 422, *words)


def test_a_job_that_is_not_there_is_not_found(api: Api):
    assert_problem(api.http.get("/api/v1/jobs/999999"), 404, "no job 999999")
