"""A server process that outlives the command that started it, and is found again by the next one."""

import json
import os
import pwd
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_KILL_PATIENCE_S = 10.0
_POLL_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Account:
    """The unprivileged user that a server runs as when we are root."""

    uid: int
    gid: int

    @classmethod
    def choose(cls, preferred: str) -> "Account | None":
        """The package's own user, else nobody; None when we are not root and servers run as ourselves."""
        if os.geteuid() != 0:
            return None
        for name in (preferred, "nobody"):
            with suppress(KeyError):
                entry = pwd.getpwnam(name)
                return cls(uid=entry.pw_uid, gid=entry.pw_gid)
        return cls(uid=65534, gid=65534)

    def wrap(self, command: Sequence[str]) -> list[str]:
        """The command that gives up root for good before it becomes ``command``."""
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *command]


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """One process, remembered in ``record`` by its id and start time, so that a reused id is never taken for it."""

    record: Path
    log: Path

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Start it in a session of its own, writing to the log, with no tie to this process."""
        # Not subprocess.Popen: it would warn about, and reap, a child that is meant to outlive us.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        pid = os.posix_spawnp(
            command[0],
            list(command),
            env,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, self.log, flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
        )
        part = self.record.with_suffix(".part")
        part.write_text(json.dumps({"pid": pid, "started": _started(pid)}))
        part.replace(self.record)

    def process(self) -> psutil.Process | None:
        """The process, if it is the one that was started and still runs."""
        try:
            known = json.loads(self.record.read_text())
            process = psutil.Process(known["pid"])
            return process if _started(process.pid) == known["started"] and not _has_ended(process) else None
        except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
            return None

    def stop(self, how: signal.Signals, patience_s: float) -> None:
        """Ask it to end, and kill it when it has not after ``patience_s`` seconds."""
        process = self.process()
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(how)
            if not _wait([process], patience_s):
                self.kill()
        self.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it and its children without warning, as a crash would; returns when they are gone."""
        process = self.process()
        if process is not None:
            family = [process, *process.children(recursive=True)]
            for member in family:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
            _wait(family, _KILL_PATIENCE_S)
        self.record.unlink(missing_ok=True)

    def last_words(self) -> str:
        """The last line of its log that says something."""
        try:
            lines = self.log.read_text(errors="replace").split("\n")
        except OSError:
            return "no log"
        return next((line.strip() for line in reversed(lines) if line.strip()), "an empty log")


def _started(pid: int) -> int:
    """Start time in clock ticks since boot, which unlike a time of day never shifts."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except FileNotFoundError:
        raise ProcessLookupError(pid) from None


def _wait(processes: Sequence[psutil.Process], patience_s: float) -> bool:
    """Whether all of them end within that time."""
    deadline = time.monotonic() + patience_s
    while not all(_has_ended(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or only waits for a parent to notice: ours to do, if we are the parent."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            # While other threads of it are still ending, its ports stay open.
            if len(list(Path(f"/proc/{process.pid}/task").iterdir())) > 1:
                return False
            with suppress(psutil.TimeoutExpired):
                process.wait(timeout=0)
            return True
    except (psutil.NoSuchProcess, FileNotFoundError):
        return True
    return not process.is_running()
