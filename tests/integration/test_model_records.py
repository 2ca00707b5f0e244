"""Which model counts, as the running system writes it down."""

import pytest
from sqlalchemy import Engine

from cluster.main import Running
from cluster.model_records import note_opened, note_refused
from schema.database import across_tenants, open_engine
from schema.errors import BadInput
from schema.ports import DetectorSpec
from schema.queries import models
from schema.queries.models import ModelLog
from tests.integration.replayed import REPLAY

pytestmark = pytest.mark.integration


def logs_of(engine: Engine, name: str) -> list[ModelLog]:
    with across_tenants(engine) as session:
        return [
            log for model in models.listing(session) if model.name == name for log in models.logs(session, model.id)
        ]


def test_swaps_and_refused_models_are_written_down(system: Running, engine: Engine):
    with across_tenants(engine) as session:
        first = models.active(session)
    assert first is not None
    assert f"{first.name}@{first.version}" == system.model.model
    assert first.config["asked"] == "ssdlite"

    with pytest.raises(BadInput):
        system.change_model("/nowhere/model.onnx")
    newest = logs_of(engine, first.name)[0]
    assert (newest.log_type, "/nowhere/model.onnx" in newest.message) == ("refused", True)

    system.change_model(REPLAY)
    system.change_model("ssdlite")
    assert [log.log_type for log in logs_of(engine, first.name)[:2]] == ["activated", "retired"]
    with across_tenants(engine) as session:
        again = models.active(session)
    assert again is not None
    assert (again.id, again.activated_ns != first.activated_ns) == (first.id, True)


def test_a_fallback_is_written_down_beside_the_model_that_was_taken(dsn: str):
    note_refused(dsn, asked="nothing", reason="there is no such model", now_ns=1)
    spec = DetectorSpec(model="ssdlite@00ff", width=320, height=320, keep_aspect=False)
    for now_ns in (10**9, 2 * 10**9):
        note_opened(dsn, spec, asked="auto", now_ns=now_ns)
    engine = open_engine(dsn)
    assert sorted((log.log_type, log.at_ns) for log in logs_of(engine, "ssdlite")) == [
        ("activated", 10**9),
        ("fallback", 10**9),
    ]
    engine.dispose()


def test_a_store_that_is_away_does_not_keep_a_model_from_counting():
    spec = DetectorSpec(model="ssdlite@00ff", width=320, height=320, keep_aspect=False)
    note_opened("postgresql://me:hush@127.0.0.1:1/x", spec, asked="ssdlite", now_ns=1)
