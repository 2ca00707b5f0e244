"""Pictures of real crossings, through the running system: they show the person who crossed, whatever dies meanwhile."""

import os
import signal
import time
from datetime import datetime

import av
import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy import func, select

from actors.worker.pictures import MARGIN
from cluster import replay
from cluster.replay import Recording
from schema.database import transaction
from schema.geometry import Scene, parse_line, parse_zone
from schema.tables import EvidenceRow
from schema.tenants import DEFAULT_TENANT_ID
from schema.times import to_ns
from tests.clips import vtest
from tests.integration.replayed import need_data

pytestmark = pytest.mark.integration

SCENE = Scene(
    lines=(parse_line("door=0.5,0,0.5,1"), parse_line("level=0,0.5,1,0.5")),
    zones=(parse_zone("middle=0.3,0.3,0.7,0.3,0.7,0.8,0.3,0.8"),),
)
PATIENCE_S = 60.0
FRAME_NS = 100_000_000
LAST_FRAME = 795
STEPS = 8
"""Of brightness: what JPEG costs."""


def count(engine, camera, video, disturb=lambda: None):
    """Count a video, and disturb it on the way."""
    need_data()
    recording = Recording(path=video, camera=camera, scene=SCENE)
    begun = replay.begin(engine, recording, model="replay", now_ns=time.time_ns())
    deadline, disturbed = time.monotonic() + 2 * PATIENCE_S, False
    for progress in replay.follow(engine, [begun]):
        assert time.monotonic() < deadline, "the recording is not finished"
        if not disturbed and progress[begun.camera.id].seq >= 100:
            disturb()
            disturbed = True
    return begun, replay.stored_crossings(engine, begun)


def pictures(running, crossings):
    """What the API has of each crossing: its data and the picture itself, by id; None where there is none."""
    found = {}
    with httpx.Client(base_url=running.api_url) as http:
        for crossing in crossings:
            answer = http.get(f"/api/v1/crossings/{crossing.event_id}/evidence")
            found[crossing.event_id] = None
            if answer.status_code == 200:
                data = answer.json()
                found[crossing.event_id] = data, http.get(data["image"]).content
    return found


def wait_for_pictures(running):
    deadline = time.monotonic() + PATIENCE_S
    while any(worker.pictures_waiting for worker in running.overview().workers):
        assert time.monotonic() < deadline, "pictures still wait"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def frames(clip):
    """The video's frames, RGB, by number from 1."""
    with av.open(str(clip)) as video:
        return {seq: frame.to_ndarray(format="rgb24") for seq, frame in enumerate(video.decode(video=0), start=1)}


def test_every_crossing_has_a_picture_cut_around_its_person(replaying, engine, clip, frames):
    begun, crossings = count(engine, "pictures", clip)
    assert len(crossings) > 15
    wait_for_pictures(replaying)
    found = pictures(replaying, crossings)
    assert [crossing.event_id for crossing in crossings if found[crossing.event_id] is None] == []
    for crossing in crossings:
        data, image = found[crossing.event_id]
        assert (data["rule"], data["rule_id"], data["model"]) == (crossing.rule, crossing.rule_id, crossing.model)
        shown = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert max(shown.shape) <= 320
        seen_ns = to_ns(datetime.fromisoformat(data["seen_at"])) - begun.camera.started_ns
        frame = frames[round(seen_ns / FRAME_NS) + 1]
        assert difference(shown, around(frame, data["box"])) < STEPS
        # The person's feet were at the crossing's place when they crossed.
        near = min(data["trajectory"], key=lambda point: abs(point["after_ms"]))
        assert abs(near["x"] - crossing.x) < 0.1


def test_a_killed_worker_costs_some_pictures_and_makes_none_wrong_or_twice(replaying, engine):
    def kill():
        (worker,) = [worker for worker in replaying.overview().workers if worker.cameras]
        os.kill(worker.pid, signal.SIGKILL)

    begun, crossings = count(engine, "killed", vtest(), kill)
    wait_for_pictures(replaying)
    found = pictures(replaying, crossings)
    # The one that died had counted half of the video at most.
    without = [crossing.frame for crossing in crossings if found[crossing.event_id] is None]
    assert max(without, default=0) < LAST_FRAME / 2
    for crossing in crossings:
        if found[crossing.event_id] is not None:
            data, _ = found[crossing.event_id]
            assert (data["rule"], data["model"]) == (crossing.rule, crossing.model)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        rows = select(func.count()).select_from(EvidenceRow).where(EvidenceRow.camera_id == begun.camera.id)
        assert session.scalar(rows) == len(crossings) - len(without)


def around(frame, box):
    """The part of a frame that a picture of this box shows."""
    height, width, _ = frame.shape
    margin = MARGIN * (box[3] - box[1]) * height
    left, top = max(0, int(box[0] * width - margin)), max(0, int(box[1] * height - margin))
    right, bottom = min(width, int(box[2] * width + margin)), min(height, int(box[3] * height + margin))
    return frame[top // 2 * 2 : bottom // 2 * 2, left // 2 * 2 : right // 2 * 2]


def difference(shown, expected):
    """Mean difference of two pictures of about the same size, in steps of brightness."""
    height, width, _ = shown.shape
    scaled = cv2.resize(np.ascontiguousarray(expected), (width, height), interpolation=cv2.INTER_AREA)
    return float(np.abs(shown.astype(int) - scaled).mean())
