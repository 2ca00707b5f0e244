"""What the job workers of the running system do, and when they do it by themselves."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, text

from actors import rollups
from actors.jobs.export import export
from actors.jobs.plan import JobPlan
from actors.jobs.schedule import DAY_S, HOUR_S, Periodic
from actors.jobs.task import Cancelled, Handler, Task
from actors.tiers import run as tiers
from cluster import replay
from cluster.erasure import reach_of
from cluster.replay import Begun, Recording
from cluster.video import report
from schema.database import open_engine, transaction
from schema.errors import DetectorUnavailable
from schema.jobs import BackfillArguments, EraseArguments, Kind
from schema.ports import FileStore
from schema.privacy import erasing
from schema.privacy.reach import Reach
from schema.settings import StorageSettings
from schema.storage import open_storage, sweep
from schema.times import to_ns, to_text
from serve_app.client import ServedDetector

PERIODIC: Final = (
    Periodic(kind="rollup", every_s=300),
    Periodic(kind="archive", every_s=DAY_S, at_s=2 * HOUR_S),
    Periodic(kind="collect", every_s=DAY_S, at_s=3 * HOUR_S),
)


def job_plan(dsn: str, storage: StorageSettings, *, redis_url: str, amqp_url: str) -> JobPlan:
    """Everything that is registered."""
    opened = partial(open_handlers, dsn, storage, redis_url=redis_url, amqp_url=amqp_url)
    return JobPlan(open_handlers=opened, periodic=PERIODIC)


def open_handlers(dsn: str, storage: StorageSettings, *, redis_url: str, amqp_url: str) -> Mapping[Kind, Handler]:
    """The handlers; nothing is connected yet."""
    # One of each kind may run at a time; archiving takes two connections, the others one.
    engine, store = open_engine(dsn, pool_size=7), open_storage(storage)
    reach = reach_of(engine, store, redis_url=redis_url, amqp_url=amqp_url)
    return {
        "backfill": partial(backfill, engine=engine),
        "export": lambda task: export(task, engine=engine, store=store, now_ns=time.time_ns()),
        "archive": partial(archive, engine=engine, store=store),
        "erase": partial(erase, reach=reach),
        "rollup": partial(rollup, engine=engine),
        "collect": partial(collect, engine=engine, store=store),
    }


def backfill(task: Task, *, engine: Engine) -> dict[str, Any]:
    """Have the running system count a recorded video; begun again, it goes on where it was.

    Returns:
        As ``turnstile backfill --json`` says it of one video.

    Raises:
        BadInput: the file is not video, or cannot be counted as asked.
        DetectorUnavailable: the system has no model yet.
        Permanent: the recording cannot be counted to its end.
        Over: the job is no longer this worker's; cancelled, the camera is disabled.
    """
    asked = BackfillArguments.model_validate(task.arguments)
    recording = Recording(
        path=Path(asked.video),
        camera=asked.camera,
        scene=asked.scene,
        started_ns=None if asked.start is None else to_ns(asked.start),
        tenant_id=task.job.tenant_id,
    )
    spec = ServedDetector().condition().spec
    if spec is None:
        raise DetectorUnavailable("the system has no model yet")
    began_s = time.monotonic()
    begun = replay.begin(engine, recording, model=spec.model, now_ns=time.time_ns())
    try:
        for states in replay.follow(engine, [begun]):
            seq, frames = states[begun.camera.id].seq, begun.frames
            task.report(seq / frames if frames else 0.0, f"frame {seq} of {frames or 'unknown many'}")
    except Cancelled:
        _disable(engine, begun)
        raise
    counted = replay.result(engine, begun, seconds=time.monotonic() - began_s)
    return {
        "video": asked.video,
        "camera": begun.camera.name,
        "camera_id": begun.camera.id,
        "started_at": to_text(begun.camera.started_ns),
        **report.as_json(counted),
    }


def archive(task: Task, *, engine: Engine, store: FileStore) -> dict[str, Any]:
    """Move what has aged; steps that failed are in the result, and are tried again the next time."""
    steps = tiers.run_due(engine, store, now_ns=time.time_ns(), tell=partial(task.report, 0.0))
    return {"steps": [asdict(step) for step in steps]}


def erase(task: Task, *, reach: Reach) -> dict[str, Any]:
    """Erase a person; begun again, it goes on. The report is the result.

    Raises:
        BadInput: there is no such user, or nobody else may manage the tenant.
        StoreUnavailable: a store does not answer.
        Over: the job is no longer this worker's; what was erased stays erased.
    """
    asked = EraseArguments.model_validate(task.arguments)
    report = erasing.erase(
        reach,
        task.job.tenant_id,
        asked.user_id,
        now_ns=time.time_ns(),
        force=asked.force,
        by=task.job.requested_by,
        tell=task.report,
    )
    return report.values()


def rollup(task: Task, *, engine: Engine) -> dict[str, Any]:
    """Roll up what was changed."""
    return asdict(rollups.run_due(engine, now_ns=time.time_ns(), tell=partial(task.report, 0.0)))


def collect(task: Task, *, engine: Engine, store: FileStore) -> dict[str, Any]:
    """Delete expired files, then orphans."""
    now_ns = time.time_ns()
    expired = sweep.expire(engine, store, now_ns=now_ns)
    task.report(0.5, "looking for files that nothing names")
    orphans = sweep.find_orphans(engine, store, now_ns=now_ns)
    sweep.delete_orphans(engine, store, orphans)
    return {**asdict(expired), "strays": len(orphans.strays), "rows_without_file": len(orphans.gone)}


def _disable(engine: Engine, begun: Begun) -> None:
    """Nobody goes on counting a recording whose camera is disabled; what was stored of it stays."""
    with transaction(engine, begun.camera.tenant_id) as session:
        session.execute(text("update cameras set enabled = false where id = :id"), {"id": begun.camera.id})
