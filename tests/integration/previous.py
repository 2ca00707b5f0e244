"""The previous release, in a process of its own."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

RELEASES = Path(__file__).parent.parent / "releases"


class Previous:
    """Unpacks that release into a folder, and runs ``tests/releases/previous.py`` in it."""

    def __init__(self, code: Path, dsn: str, amqp_url: str) -> None:
        with zipfile.ZipFile(RELEASES / "0.1.1.zip") as archive:
            archive.extractall(code)
        self._start = [sys.executable, "-P", str(RELEASES / "previous.py"), dsn, amqp_url]
        self._environment = {**os.environ, "PYTHONPATH": str(code)}
        self._folder = code

    def ask(self, *command: str) -> Any:
        """What a command answers."""
        return self.end(self.start(*command))

    def start(self, *command: str) -> subprocess.Popen:
        """Begin a command."""
        return subprocess.Popen(
            [*self._start, *command],
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen) -> Any:
        """Let it end; returns its answer."""
        out, complaint = process.communicate("")
        assert process.returncode == 0, complaint
        return json.loads(out.splitlines()[-1])
