"""Missing programs: root gets them installed, anybody else is told the exact command."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cluster import packages
from cluster.packages import ensure
from schema.errors import BadInput


class Machine:
    """A Debian without any of the programs, on which apt-get does what the test says."""

    def __init__(self, folder: Path) -> None:
        self.commands: list[list[str]] = []
        self.has: set[str] = set()
        self.installs = True
        self.policy = folder / "policy-rc.d"
        self.policy_seen = False
        self.returncode = 0

    def run(self, command: list[str], **_) -> CompletedProcess[str]:
        self.commands.append(command)
        self.policy_seen = self.policy.read_text().endswith("exit 101\n") and bool(self.policy.stat().st_mode & 1)
        if self.installs and "install" in command:
            self.has = {"redis", "postgresql"}
        return CompletedProcess(command, self.returncode, stdout="dpkg: trouble\n")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    machine = Machine(tmp_path)
    monkeypatch.setattr(packages, "_is_met", lambda need: need in machine.has)
    monkeypatch.setattr(packages, "_POLICY", machine.policy)
    monkeypatch.setattr(packages, "_CREATE_CLUSTER", tmp_path / "postgresql-common" / "createcluster.conf")
    monkeypatch.setattr(packages.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packages.subprocess, "run", machine.run)
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    return machine


def test_a_user_is_told_the_command(machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    with pytest.raises(
        BadInput, match=r"^PostgreSQL, Redis must be .*: sudo apt-get install .* postgresql redis-server$"
    ):
        ensure("postgresql", "redis")
    assert machine.commands == []


def test_what_is_there_is_not_installed_again(machine):
    machine.has = {"redis"}
    ensure("redis")
    assert machine.commands == []


def test_root_installs_without_starting_servers_of_the_system(machine):
    ensure("postgresql", "redis")
    assert machine.commands[-1][-2:] == ["postgresql", "redis-server"]
    assert machine.policy_seen
    assert not machine.policy.exists(), "the machine's own policy is back"


def test_a_policy_of_the_machine_is_left_alone(machine):
    machine.policy.write_text("#!/bin/sh\nexit 101\n")
    machine.policy.chmod(0o755)
    ensure("redis")
    assert machine.policy.exists()


def test_trouble_in_the_set_up_of_a_package_is_no_failure_where_its_programs_work(machine, capsys):
    machine.returncode = 100
    ensure("postgresql", "redis")
    assert "all that is needed here works" in capsys.readouterr().err


def test_trouble_that_leaves_programs_missing_is_shown_and_named(machine, capsys):
    machine.returncode = 100
    machine.installs = False
    with pytest.raises(BadInput, match="Redis cannot be used after installing redis-server"):
        ensure("redis")
    assert "dpkg: trouble" in capsys.readouterr().err
