"""Every camera is watched by exactly one worker, whatever happens to workers."""

from dataclasses import replace

import pytest

from cluster.supervisor import HUNG_S, SILENT_S, Supervisor
from schema.camera import CameraSpec
from schema.errors import Retryable, StoreUnavailable
from schema.events import Checkpoint
from schema.geometry import Line, Point, Scene
from schema.work import Assignment, CameraStatus, WorkerStatus


class FakeFleet:
    def __init__(self, *names):
        self.workers = {name: {} for name in names}
        self.hung = set()
        self.states = {}
        self.restarted = []
        self.told = []

    def statuses(self, timeout_s):
        return {name: None if name in self.hung else self._status(name) for name in self.workers}

    def _status(self, name):
        cameras = tuple(
            CameraStatus(spec=a.spec, lease_epoch=a.lease_epoch, state=self.states.get(a.spec.id, "watching"))
            for a in self.workers[name].values()
        )
        return WorkerStatus(name=name, cameras=cameras)

    def start_worker(self):
        self.workers[f"w{len(self.workers)}"] = {}

    def restart_worker(self, name):
        self.restarted.append(name)
        self.workers[name] = {}
        self.hung.discard(name)

    def assign(self, name, assignment):
        if name in self.hung:
            raise Retryable("no answer")
        self.told.append(("assign", name, assignment.spec.id))
        self.workers[name][assignment.spec.id] = assignment

    def unassign(self, name, camera_id):
        self.told.append(("unassign", name, camera_id))
        self.workers[name].pop(camera_id)

    def edit(self, name, spec):
        self.told.append(("edit", name, spec.id))
        self.workers[name][spec.id] = replace(self.workers[name][spec.id], spec=spec)


class FakeCatalogue:
    def __init__(self, *ids):
        self.cameras = {i: CameraSpec(id=i, name=f"c{i}", source=f"rtsp://host/{i}", scene=Scene()) for i in ids}
        self.epochs = dict.fromkeys(ids, 0)
        self.renewed = []
        self.away = False
        self.checkpoints = {}

    def wanted(self):
        if self.away:
            raise StoreUnavailable("away")
        return list(self.cameras.values())

    def lend(self, spec, holder):
        self.epochs[spec.id] += 1
        return Assignment(spec=spec, lease_epoch=self.epochs[spec.id], checkpoint=self.checkpoints.get(spec.id))

    def renew(self, held):
        self.renewed = sorted(held)


def run(supervisor, *times_s):
    for now_s in times_s:
        supervisor.step(now_s)


def holders(fleet, camera_id):
    return [name for name, cameras in fleet.workers.items() if camera_id in cameras]


@pytest.fixture
def fleet():
    return FakeFleet("w0", "w1")


@pytest.fixture
def catalogue():
    return FakeCatalogue(1, 2, 3, 4)


@pytest.fixture
def supervisor(fleet, catalogue):
    return Supervisor(fleet, catalogue, per_worker=10)


def test_cameras_are_spread_and_then_left_alone(supervisor, fleet, catalogue):
    run(supervisor, 0, 1, 2)
    assert [len(cameras) for cameras in fleet.workers.values()] == [2, 2]
    assert len(fleet.told) == 4
    assert catalogue.renewed == [(1, 1), (2, 1), (3, 1), (4, 1)]


def test_a_worker_that_lost_its_memory_gets_its_cameras_again_under_new_leases(supervisor, fleet, catalogue):
    run(supervisor, 0)
    lost = list(fleet.workers["w0"])
    fleet.workers["w0"] = {}
    run(supervisor, 1)
    assert list(fleet.workers["w0"]) == lost
    assert {fleet.workers["w0"][camera].lease_epoch for camera in lost} == {2}
    assert {a.lease_epoch for a in fleet.workers["w1"].values()} == {1}


def test_a_worker_that_is_silent_for_a_moment_keeps_its_cameras(supervisor, fleet):
    run(supervisor, 0, 1)
    fleet.hung.add("w0")
    run(supervisor, 2, 3)
    fleet.hung.discard("w0")
    run(supervisor, 4)
    assert len(fleet.told) == 4


def test_a_silent_workers_cameras_go_to_another_and_it_drops_them_when_it_wakes(supervisor, fleet):
    run(supervisor, 0)
    moved = list(fleet.workers["w0"])
    fleet.hung.add("w0")
    run(supervisor, 1, SILENT_S + 0.1)
    assert set(fleet.workers["w1"]) == {1, 2, 3, 4}
    assert supervisor.overview.silent == ("w0",)
    fleet.hung.discard("w0")
    run(supervisor, SILENT_S + 1)
    assert all(holders(fleet, camera) == ["w1"] for camera in moved)


def test_a_hung_worker_is_restarted_once(supervisor, fleet):
    run(supervisor, 0)
    fleet.hung.add("w0")
    fleet.restart_worker = fleet.restarted.append
    run(supervisor, *range(1, int(HUNG_S) + 10))
    assert fleet.restarted == ["w0"]


def test_without_another_worker_a_new_one_is_started():
    fleet, catalogue = FakeFleet("w0"), FakeCatalogue(1)
    supervisor = Supervisor(fleet, catalogue, per_worker=10)
    run(supervisor, 0)
    fleet.hung.add("w0")
    run(supervisor, *range(1, 8))
    assert holders(fleet, 1) == ["w0", "w1"]
    assert fleet.workers["w1"][1].lease_epoch == 2
    assert len(fleet.workers) == 2


def test_more_cameras_than_workers_take_start_more_workers():
    fleet, catalogue = FakeFleet(), FakeCatalogue(1, 2, 3, 4, 5)
    supervisor = Supervisor(fleet, catalogue, per_worker=2)
    run(supervisor, 0, 1)
    assert len(fleet.workers) == 3
    assert all(len(holders(fleet, camera)) == 1 for camera in catalogue.cameras)


def test_an_edit_of_rules_touches_one_camera_and_keeps_its_lease(supervisor, fleet, catalogue):
    run(supervisor, 0)
    fleet.told.clear()
    line = Line(name="door", a=Point(x=0.5, y=0), b=Point(x=0.5, y=1))
    catalogue.cameras[2] = replace(catalogue.cameras[2], scene=Scene(lines=(line,)))
    run(supervisor, 1, 2)
    (told,) = fleet.told
    assert (told[0], told[2]) == ("edit", 2)


def test_another_source_means_a_new_lease(supervisor, fleet, catalogue):
    run(supervisor, 0)
    catalogue.cameras[2] = replace(catalogue.cameras[2], source="rtsp://elsewhere/2")
    run(supervisor, 1)
    (holder,) = holders(fleet, 2)
    assert fleet.workers[holder][2].lease_epoch == 2
    assert fleet.workers[holder][2].spec.source == "rtsp://elsewhere/2"


def test_a_camera_that_is_no_longer_wanted_is_taken_back(supervisor, fleet, catalogue):
    run(supervisor, 0)
    del catalogue.cameras[3]
    run(supervisor, 1)
    assert holders(fleet, 3) == []


def test_while_the_store_is_away_everything_stays(supervisor, fleet, catalogue):
    run(supervisor, 0)
    catalogue.away = True
    with pytest.raises(StoreUnavailable):
        run(supervisor, 1)
    catalogue.away = False
    run(supervisor, 30)
    assert len(fleet.told) == 4


def test_while_the_store_is_away_the_overview_still_tells_how_the_workers_are(supervisor, fleet, catalogue):
    run(supervisor, 0)
    catalogue.away = True
    fleet.hung.add("w0")
    with pytest.raises(StoreUnavailable):
        supervisor.step(1)
    assert supervisor.overview.silent == ("w0",)


def test_a_new_supervisor_takes_over_what_it_finds(supervisor, fleet, catalogue):
    run(supervisor, 0)
    run(Supervisor(fleet, catalogue, per_worker=10), 100, 101)
    assert len(fleet.told) == 4


def test_a_recorded_camera_goes_on_from_its_checkpoint(supervisor, fleet, catalogue):
    catalogue.checkpoints[1] = Checkpoint(epoch="e", seq=250, state=b"state")
    run(supervisor, 0)
    (holder,) = holders(fleet, 1)
    assert fleet.workers[holder][1].checkpoint == catalogue.checkpoints[1]


def test_a_finished_recording_is_left_while_its_end_may_be_on_its_way_and_then_begun_anew(supervisor, fleet, catalogue):
    run(supervisor, 0)
    fleet.told.clear()
    fleet.states[2] = "finished"
    run(supervisor, 1)
    assert fleet.told == []
    run(supervisor, 2)
    assert [(told[0], told[2]) for told in fleet.told] == [("assign", 2)]
