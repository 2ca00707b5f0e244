"""A primary PostgreSQL and a streaming replica of it, apart from the run's own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from cluster.packages import postgres_programs
from cluster.services.postgres import Postgres, ping_postgres
from cluster.services.remembered import Remembered, recall
from schema.database import migrate
from tests.ports import free_ports

_SLOT = "replica"


class Replica(Postgres):
    """A copy of a running primary that follows it."""

    def __init__(self, home: Path, remembered: Remembered, *, of: Postgres) -> None:
        super().__init__(home, remembered)
        self._primary = of

    def prepare(self) -> None:
        """Copy the primary, where that was not done before."""
        if (self.folder / "data").exists():
            return
        programs = postgres_programs()
        assert programs is not None
        subprocess.run(
            self._as_account(
                [
                    str(programs / "pg_basebackup"),
                    f"--dbname={self._primary.url}",
                    f"--pgdata={self.folder / 'data'}",
                    "--write-recovery-conf",
                    "--create-slot",
                    f"--slot={_SLOT}",
                    "--wal-method=stream",
                    "--checkpoint=fast",
                ]
            ),
            env=self.environment(),
            cwd="/",
            check=True,
            capture_output=True,
        )

    def ping(self) -> None:
        """Connect; the database and its logins came with the copy."""
        ping_postgres(self.url)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Both run at first; whoever stops one has it to himself."""

    primary: Postgres
    replica: Replica

    @property
    def failover_dsn(self) -> str:
        """An address that finds whichever of the two takes writes."""
        user, _, rest = self.primary.service_url.removeprefix("postgresql://").partition("@")
        hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in (self.primary, self.replica))
        return f"postgresql://{user}@/{rest.rpartition('/')[2]}?{hosts}"

    def sql(self, server: Postgres, statement: str) -> object:
        """Run a statement as the superuser; the first value of the first row, if it gives any."""
        with psycopg.connect(server.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            row = cursor.fetchone() if cursor.description else None
        return row and row[0]


@contextmanager
def replica_pair(home: Path) -> Iterator[Pair]:
    """Start both; they are stopped and gone afterwards."""
    remembered = recall(home)
    (port,) = free_ports(1)
    primary = Postgres(home, remembered)
    primary.start()
    migrate(primary.owner_url)
    beside = home / "replica"
    beside.mkdir()
    data = remembered.data.with_name(remembered.data.name + "-replica")
    replica = Replica(beside, replace(remembered, data=data, ports={**remembered.ports, "postgres": port}), of=primary)
    replica.start()
    try:
        yield Pair(primary=primary, replica=replica)
    finally:
        replica.stop()
        primary.stop()
        for folder in (data, remembered.data):
            shutil.rmtree(folder, ignore_errors=True)
