"""The worker service of the running system: backfills and exports, and what a kill in the middle does to them."""

import csv
import os
import signal
import time

import pytest
from ray.util.state import list_actors

from actors.capture.sources import FileSource
from cluster.jobs import PERIODIC, open_handlers
from cluster.video.count import count_video
from cluster.video.report import as_json
from schema.database import transaction
from schema.geometry import Scene, parse_line
from schema.jobs import ARGUMENTS, KINDS
from schema.names import job_actor
from schema.queries import cameras, crossings, jobs
from schema.storage import open_storage
from schema.tenants import DEFAULT_TENANT_ID
from tests.clips import vtest
from tests.integration.job_bench import eventually
from tests.integration.replayed import need_data, replay_detector

pytestmark = pytest.mark.integration

LINES = {"door": [0.5, 0, 0.5, 1], "level": [0, 0.5, 1, 0.5]}
SCENE = Scene(lines=(parse_line("door=0.5,0,0.5,1"), parse_line("level=0,0.5,1,0.5")))
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def undisturbed():
    """What one process counts, without Ray."""
    need_data()
    return as_json(count_video(FileSource(vtest(), 1, 0), replay_detector(), SCENE))["lines"]


def request(engine, kind, arguments):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return jobs.request(session, kind, arguments)


def get(engine, job):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        return jobs.get(session, job.id)


def ended(engine, job):
    return eventually(
        lambda: (now := get(engine, job)) and not now.is_open and now, f"the end of {job.kind}", PATIENCE_S
    )


def kill_job_worker(running):
    alive = list_actors(address=f"http://{running.dashboard_url}", filters=[("state", "=", "ALIVE")])
    (actor,) = [actor for actor in alive if actor.name == job_actor(0)]
    os.kill(actor.pid, signal.SIGKILL)


def test_whatever_may_be_requested_has_somebody_who_does_it(replaying, system_settings):
    endpoints = replaying.endpoints
    handlers = open_handlers(
        endpoints.postgres_dsn,
        system_settings.storage,
        redis_url=endpoints.redis_url,
        amqp_url=endpoints.amqp_url,
    )
    assert handlers.keys() == ARGUMENTS.keys() | {"erase"} == set(KINDS)
    assert {one.kind for one in PERIODIC} <= handlers.keys()


def test_a_backfill_whose_worker_is_killed_in_the_middle_counts_what_one_process_counts(replaying, engine, undisturbed):
    job = request(engine, "backfill", {"video": str(vtest()), "camera": "job-killed", "lines": LINES})
    eventually(lambda: get(engine, job).progress > 0.1, "progress", PATIENCE_S)
    kill_job_worker(replaying)
    done = ended(engine, job)
    assert (done.state, done.attempts, done.lease_epoch) == ("done", 2, 2)
    assert done.result["frames"] == 795
    assert done.result["lines"] == undisturbed


def test_an_export_holds_every_crossing_once(replaying, engine, system_settings):
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.by_name(session, "job-killed")
        stored = crossings.page(session, camera_id=camera.id, order="oldest", limit=10_000).crossings
    day = {
        "from": "2000-01-01T00:00:00Z",
        "to": time.strftime("%Y-%m-%dT23:59:59Z", time.gmtime()),
        "camera": camera.name,
    }
    done = ended(engine, request(engine, "export", {"what": "crossings", **day}))
    assert (done.state, done.error) == ("done", None)
    store = open_storage(system_settings.storage)
    content = b"".join(store.read(done.result["path"], sha256=done.result["sha256"])).decode()
    assert [row["event_id"] for row in csv.DictReader(content.splitlines())] == [str(one.event_id) for one in stored]
    again = ended(engine, request(engine, "export", {"what": "crossings", **day}))
    assert again.result["file_id"] == done.result["file_id"]


def test_a_backfill_that_cannot_be_has_failed_with_its_sentence(replaying, engine, tmp_path):
    job = request(engine, "backfill", {"video": str(tmp_path / "missing.mp4"), "camera": "job-none", "lines": LINES})
    failed = ended(engine, job)
    assert failed.state == "failed"
    assert "missing.mp4" in failed.error


def test_a_cancelled_backfill_is_counted_no_further(replaying, engine):
    job = request(engine, "backfill", {"video": str(vtest()), "camera": "job-cancelled", "lines": LINES})
    eventually(lambda: get(engine, job).progress > 0, "progress", PATIENCE_S)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        jobs.cancel(session, job.id)

    def disabled():
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            return not cameras.by_name(session, "job-cancelled").enabled

    eventually(disabled, "the end of counting", PATIENCE_S)


def test_periodic_jobs_are_done_by_themselves(replaying, engine):
    def first_periodic():
        with transaction(engine, DEFAULT_TENANT_ID) as session:
            found = {job.kind: job for job in jobs.listing(session) if job.key is not None}
        return found if {"rollup", "archive", "collect"} <= found.keys() else None

    for job in eventually(first_periodic, "periodic jobs", PATIENCE_S).values():
        assert (ended(engine, job).state, job.error) == ("done", None)
