"""What private services keep from one start to the next: where their data lies, their ports and passwords."""

import json
import os
import random
import secrets
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from schema.errors import BadInput

PORT_NAMES = ("postgres", "redis", "rabbitmq", "rabbitmq_distribution", "epmd")
PASSWORD_NAMES = ("postgres", "postgres_owner", "postgres_service", "redis", "rabbitmq", "erlang_cookie")

_FILE = "services.json"
_VARIABLE_DATA = Path("/var/lib/turnstile")
# Below the range from which Linux takes the ports of outgoing connections, which could hold ours when we come back.
_PORT_RANGE = range(21000, 32000)


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """Data folder, ports by name, passwords by name."""

    data: Path
    ports: Mapping[str, int]
    passwords: Mapping[str, str]


def recall(home: Path) -> Remembered:
    """Read what was remembered under this state folder, or choose it now.

    Raises:
        BadInput: the folder or the file is not ours to use.
    """
    file = home / _FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        if file.exists():
            known = json.loads(file.read_text())
            return _complete(
                home, Remembered(data=Path(known["data"]), ports=known["ports"], passwords=known["passwords"])
            )
        chosen = Remembered(
            data=_place(home),
            ports=_free_ports(),
            passwords=_passwords(PASSWORD_NAMES),
        )
        _save(home, chosen)
    except OSError as error:
        raise BadInput(
            f"state folder {home} cannot be used ({error.strerror}): set TURNSTILE_HOME to a folder that you own"
        ) from None
    except (ValueError, KeyError):
        raise BadInput(f"{file} is damaged: restore it, or move {home} away to start afresh") from None
    return chosen


def choose_ports_again(home: Path, known: Remembered) -> Remembered:
    """Remember other ports, for when a stranger has taken one while nothing of ours ran."""
    chosen = replace(known, ports=_free_ports())
    _save(home, chosen)
    return chosen


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _complete(home: Path, known: Remembered) -> Remembered:
    """With passwords for logins that the version which made the folder did not know."""
    missing = [name for name in PASSWORD_NAMES if name not in known.passwords]
    if not missing:
        return known
    completed = replace(known, passwords={**known.passwords, **_passwords(missing)})
    _save(home, completed)
    return completed


def _passwords(names: Iterable[str]) -> dict[str, str]:
    return {name: secrets.token_urlsafe(24) for name in names}


def _save(home: Path, chosen: Remembered) -> None:
    part = home / f"{_FILE}.part"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({**asdict(chosen), "data": str(chosen.data)}, out, indent=2)
    part.replace(home / _FILE)


def _place(home: Path) -> Path:
    """Under the state folder; elsewhere when servers run as another user, who cannot enter it (as below /root)."""
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (home, *home.parents)):
        return home / "services"
    return _VARIABLE_DATA / f"{home.parent.name}-{secrets.token_hex(4)}"


def _free_ports() -> dict[str, int]:
    candidates = (port for port in random.sample(_PORT_RANGE, len(_PORT_RANGE)) if is_free(port))
    return dict(zip(PORT_NAMES, candidates, strict=False))
