"""The notebooks, cell by cell, against the running system."""

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.main import Running
from schema.database import open_engine, transaction
from schema.geometry import Scene, parse_line
from schema.queries import cameras
from schema.queries.cameras import Camera
from schema.tenants import DEFAULT_TENANT_ID

pytestmark = pytest.mark.integration

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def run(notebook: Path) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    return names


def test_counts_come_into_a_data_frame_with_their_coverage(system: Running, monkeypatch: pytest.MonkeyPatch):
    engine = open_engine(system.endpoints.postgres_dsn)
    camera = Camera(
        name="notebook", source="rtsp://127.0.0.1:1/", enabled=False, scene=Scene(lines=(parse_line("door=0,0,1,1"),))
    )
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        camera = cameras.put(session, camera)
    monkeypatch.setenv("TURNSTILE_API_URL", str(system.api_url))

    names = run(NOTEBOOKS / "counts.ipynb")

    hour = names["by_rule"].loc[("notebook", "door", "line")]
    assert (hour["count_in"], hour["count_out"], hour["coverage"]) == (0, 0, 0)
    assert len(names["counts"].query("camera == 'notebook'")) in (60, 61)
    with transaction(engine, DEFAULT_TENANT_ID) as session:
        cameras.remove(session, camera.id)
    engine.dispose()
