"""Which model counts, as the running system writes it down."""

import json
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from cluster.cli import run
from cluster.main import Running
from cluster.model_records import note_opened, note_refused
from schema.database import across_tenants
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


def test_a_fallback_is_written_down_and_the_history_says_which_model_counts(dsn: str, tmp_path: Path, capfd):
    def history(*arguments: str) -> str:
        capfd.readouterr()
        assert run(["models", "history", "--config", str(settings), *arguments]) == 0
        return capfd.readouterr().out

    settings = tmp_path / "turnstile.yaml"
    settings.write_text(yaml.safe_dump({"home": str(tmp_path), "postgres_dsn": dsn}))
    assert json.loads(history("--json")) == {"model": None, "since": None, "log": []}
    note_refused(dsn, asked="nothing", reason="there is no such model", now_ns=1)
    for name, now_ns in (("ssdlite@00ff", 10**9), ("ssdlite@00ff", 2 * 10**9), ("yolo11n@11ee", 3 * 10**9)):
        spec = DetectorSpec(model=name, width=320, height=320, keep_aspect=False)
        note_opened(dsn, spec, asked="auto", now_ns=now_ns)
    told = json.loads(history("--json"))
    assert (told["model"], told["since"][:19]) == ("yolo11n@11ee", "1970-01-01T00:00:03")
    assert [(line["model"], line["what"]) for line in told["log"]] == [
        ("yolo11n@11ee", "activated"),
        ("ssdlite@00ff", "retired"),
        ("ssdlite@00ff", "fallback"),
        ("ssdlite@00ff", "activated"),
    ]
    assert len(json.loads(history("--json", "--limit", "1"))["log"]) == 1
    assert "fallback" in history()


def test_a_store_that_is_away_does_not_keep_a_model_from_counting():
    spec = DetectorSpec(model="ssdlite@00ff", width=320, height=320, keep_aspect=False)
    note_opened("postgresql://me:hush@127.0.0.1:1/x", spec, asked="ssdlite", now_ns=1)
