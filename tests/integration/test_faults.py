"""Processes die in the middle of a backfill, and what is stored in the end is what would have been stored anyway."""

import os
import signal
import time

import pytest
from ray.util.state import list_actors

from actors.capture.sources import FileSource
from cluster import replay
from cluster.replay import Recording
from cluster.video.count import count_video
from schema.database import transaction
from schema.geometry import Scene, parse_line, parse_zone
from schema.names import counter_actor
from schema.queries import totals
from schema.tenants import DEFAULT_TENANT_ID
from serve_app.client import ServedDetector
from tests.clips import vtest
from tests.integration.replayed import need_data, replay_detector

pytestmark = pytest.mark.integration

SCENE = Scene(
    lines=(parse_line("door=0.5,0,0.5,1"), parse_line("level=0,0.5,1,0.5"), parse_line("low=0,0.7,1,0.7")),
    zones=(parse_zone("middle=0.3,0.3,0.7,0.3,0.7,0.8,0.3,0.8"),),
)
KILL_AFTER_FRAMES = 150
PATIENCE_S = 120.0


def told(crossing):
    """What a crossing says, but for the camera and its start."""
    return (crossing.rule, crossing.direction, crossing.cause, crossing.track_id, crossing.ordinal, crossing.frame)


@pytest.fixture(scope="module")
def undisturbed():
    """What one process counts, without Ray."""
    need_data()
    crossings = []
    count_video(
        FileSource(vtest(), 1, 0), replay_detector(), SCENE, watch=lambda counted: crossings.extend(counted.crossings)
    )
    assert len(crossings) > 50
    return sorted(map(told, crossings))


@pytest.fixture
def backfill(replaying, engine, undisturbed, request):
    """Runs the whole video as a camera of this test, and disturbs it once some of it is stored."""

    def run(disturb):
        recording = Recording(path=vtest(), camera=request.node.name.removeprefix("test_")[:64], scene=SCENE)
        begun = replay.begin(engine, recording, model="replay", now_ns=time.time_ns())
        deadline, disturbed = time.monotonic() + PATIENCE_S, False
        for progress in replay.follow(engine, [begun]):
            assert time.monotonic() < deadline, "the recording is not finished"
            if not disturbed and progress[begun.camera.id].seq >= KILL_AFTER_FRAMES:
                assert not progress[begun.camera.id].finished
                disturb()
                disturbed = True
        assert disturbed
        return begun

    return run


def check(engine, begun, undisturbed):
    stored = replay.stored_crossings(engine, begun)
    # The end of the recording counts people out of zones; counting without Ray does not.
    assert sorted(told(crossing) for crossing in stored if crossing.cause != "lost") == [
        event for event in undisturbed if event[2] != "lost"
    ]
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        sums = {rule.totals.rule: rule.totals.totals for rule in totals.live(session, [begun.camera.id])}
    for name, rule in sums.items():
        ways = [crossing.direction for crossing in stored if crossing.rule == name and crossing.cause == "crossed"]
        assert (rule.count_in, rule.count_out) == (ways.count("in"), ways.count("out"))


def kill_actor(running, name):
    # Named, because another Ray may run on this machine.
    alive = list_actors(address=f"http://{running.dashboard_url}", filters=[("state", "=", "ALIVE")])
    (actor,) = [actor for actor in alive if actor.name == name]
    os.kill(actor.pid, signal.SIGKILL)


def test_a_camera_worker_is_killed(backfill, replaying, engine, undisturbed):
    def kill():
        (worker,) = [worker for worker in replaying.overview().workers if worker.cameras]
        os.kill(worker.pid, signal.SIGKILL)

    check(engine, backfill(kill), undisturbed)


def test_the_detector_replica_is_killed(backfill, engine, undisturbed):
    check(engine, backfill(lambda: os.kill(ServedDetector().condition().pid, signal.SIGKILL)), undisturbed)


def test_the_counting_actor_is_killed(backfill, replaying, engine, undisturbed):
    check(engine, backfill(lambda: kill_actor(replaying, counter_actor(0))), undisturbed)


def test_a_stale_worker_that_wakes_after_its_camera_was_placed_elsewhere_is_refused(
    backfill, replaying, engine, undisturbed
):
    stopped = []

    def freeze():
        (worker,) = [worker for worker in replaying.overview().workers if worker.cameras]
        os.kill(worker.pid, signal.SIGSTOP)
        stopped.append(worker)
        deadline = time.monotonic() + PATIENCE_S
        while not [w for w in replaying.overview().workers if w.cameras and w.name != worker.name]:
            assert time.monotonic() < deadline, "the camera is not placed elsewhere"
            time.sleep(0.1)
        os.kill(worker.pid, signal.SIGCONT)

    begun = backfill(freeze)
    check(engine, begun, undisturbed)
    deadline = time.monotonic() + PATIENCE_S
    while [w for w in replaying.overview().workers if w.cameras]:
        assert time.monotonic() < deadline, "the camera is not let go"
        time.sleep(0.1)


def test_the_model_is_changed_in_the_middle_of_a_recording_and_no_frame_is_missed(backfill, replaying, engine):
    def change():
        replaying.change_model("ssdlite")
        replaying.change_model("replay")

    begun = backfill(change)
    assert replay.result(engine, begun, seconds=1.0).frames == 795
    models = {crossing.model for crossing in replay.stored_crossings(engine, begun)}
    assert any(model.startswith("replay") for model in models)
