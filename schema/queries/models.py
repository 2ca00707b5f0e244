"""Which model counts, since when, and what happened to models.

The tables are the system's: every tenant may read them, and ``across_tenants`` writes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from schema.models import LogType, Status
from schema.tables import ModelLogRow, ModelRow
from schema.times import to_datetime, to_ns

# Two programs that activate a model at once do so one after the other.
_LOCK = text("select pg_advisory_xact_lock(7463003)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model that was opened at some time; ``activated_ns`` is when it last began to count, None if it never did."""

    id: int
    name: str
    version: str
    status: Status
    config: Mapping[str, Any]
    activated_ns: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelLog:
    """Something that happened to a model."""

    model_id: int
    log_type: LogType
    message: str
    at_ns: int


def register(session: Session, *, name: str, version: str, config: Mapping[str, Any]) -> int:
    """Know a model, or know it better: ``config`` replaces what was known of it. Gives its id."""
    statement = insert(ModelRow).values(name=name, version=version, config=dict(config))
    known = statement.on_conflict_do_update(
        index_elements=[ModelRow.name, ModelRow.version], set_={"config": statement.excluded.config}
    )
    return session.scalars(known.returning(ModelRow.id)).one()


def activate(session: Session, model_id: int, *, now_ns: int) -> bool:
    """Let this model be the one that counts, and the one before it be retired; both are logged.

    Returns:
        False, and nothing changes, where it counts already.
    """
    session.execute(_LOCK)
    model = session.get_one(ModelRow, model_id, populate_existing=True)
    before = _active(session)
    if before is model:
        return False
    if before is not None:
        before.status = "retired"
        session.flush()
        log(session, before.id, "retired", f"{_full_name(model)} counts from now on", now_ns=now_ns)
    model.status, model.activated_at = "active", to_datetime(now_ns)
    log(session, model_id, "activated", f"{_full_name(model)} counts", now_ns=now_ns)
    session.flush()
    return True


def active(session: Session) -> Model | None:
    """The model that counts, or counted last; None before the first."""
    row = _active(session)
    return row and _model(row)


def log(session: Session, model_id: int, log_type: LogType, message: str, *, now_ns: int) -> None:
    """Write down what happened to a model; its month's partition need not be there."""
    session.add(ModelLogRow(timestamp=to_datetime(now_ns), model_id=model_id, log_type=log_type, message=message))


def listing(session: Session) -> list[Model]:
    """All that were ever opened, by name and version."""
    return [_model(row) for row in session.scalars(select(ModelRow).order_by(ModelRow.name, ModelRow.version))]


def logs(session: Session, model_id: int, *, limit: int = 100) -> list[ModelLog]:
    """What happened to one model, newest first."""
    return _logs(session, select(ModelLogRow).where(ModelLogRow.model_id == model_id), limit)


def newest_logs(session: Session, *, limit: int = 100) -> list[ModelLog]:
    """What happened to all models, newest first."""
    return _logs(session, select(ModelLogRow), limit)


def _logs(session: Session, which: Select[ModelLogRow], limit: int) -> list[ModelLog]:
    rows = session.scalars(which.order_by(ModelLogRow.timestamp.desc(), ModelLogRow.id.desc()).limit(limit))
    return [
        ModelLog(model_id=row.model_id, log_type=row.log_type, message=row.message, at_ns=to_ns(row.timestamp))
        for row in rows
    ]


def _active(session: Session) -> ModelRow | None:
    return session.scalar(select(ModelRow).where(ModelRow.status == "active"))


def _full_name(row: ModelRow) -> str:
    return f"{row.name}@{row.version}" if row.version else row.name


def _model(row: ModelRow) -> Model:
    return Model(
        id=row.id,
        name=row.name,
        version=row.version,
        status=row.status,
        config=row.config,
        activated_ns=None if row.activated_at is None else to_ns(row.activated_at),
    )
