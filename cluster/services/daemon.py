"""A server process that outlives the command that started it, and is found again by the next one."""

import json
import os
import pwd
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_STOPPED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


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
            if process.status() in _STOPPED:
                process.wait(timeout=1)  # reaps it, if it was our child
                return None
            return process if _started(process.pid) == known["started"] else None
        except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
            return None

    def stop(self, how: signal.Signals, patience_s: float) -> None:
        """Ask it to end, and kill it when it has not after ``patience_s`` seconds."""
        process = self.process()
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            process.send_signal(how)
            try:
                process.wait(timeout=patience_s)
            except psutil.TimeoutExpired:
                self.kill()
        self.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it and its children without warning, as a crash would; returns when they are gone."""
        process = self.process()
        if process is None:
            return
        family = [process, *process.children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=10)
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
