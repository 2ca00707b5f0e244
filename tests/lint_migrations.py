"""Lints the SQL of every migration with squawk: ``python -m tests.lint_migrations``, as ``make lint`` does."""

import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from schema.database import migration_sql

SQUAWK = Path(sys.executable).with_name("squawk")
RULES = Path(__file__).parent.parent / ".squawk.toml"


def write_migrations(folder: Path) -> list[Path]:
    """The SQL of every revision, oldest first, in a file of its name."""
    config = Config()
    config.set_main_option("script_location", "schema:migrations")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    files = []
    for before, revision in pairwise([None, *revisions]):
        assert revision is not None
        file = folder / f"{revision}.sql"
        file.write_text(migration_sql(before, revision))
        files.append(file)
    return files


def lint(files: list[Path]) -> tuple[int, str]:
    """Exit code and findings."""
    command = [str(SQUAWK), "--config", str(RULES), "--reporter", "gcc", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        code, findings = lint(write_migrations(Path(folder)))
    if code:
        sys.stderr.write(findings)
    sys.exit(code)
