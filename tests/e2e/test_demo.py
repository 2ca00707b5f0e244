"""The demo as its user runs it: a process of its own, from nothing to four answers that agree."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_every_witness_of_the_demo_counts_the_same(clip: Path):
    done = subprocess.run(
        [Path(sys.executable).with_name("turnstile"), "demo", "--once", "--json"],
        env=os.environ | {"TURNSTILE_DEMO_VIDEO": str(clip), "TURNSTILE_MODEL": "ssdlite"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["agree"]
    assert answer["model"].startswith("ssdlite")
    assert {count["camera"] for count in answer["counts"]} == {"crossroads", "lawn", "corner", "far-end"}
    assert sum(count["postgres"] for count in answer["counts"]) > 10
