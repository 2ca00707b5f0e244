"""Where the keys of sealed columns are, as the environment of a process says it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from schema.settings.given import PREFIX

KEYS_VARIABLE = f"{PREFIX}KEYS"
KEYS_FILE_VARIABLE = f"{PREFIX}KEYS_FILE"


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedKeys:
    """Where this process finds the keys of sealed columns: the lines themselves, else a file, else nowhere."""

    text: str | None = field(repr=False)
    file: Path | None


def named_keys(env: Mapping[str, str] = os.environ) -> NamedKeys:
    """What the environment says about keys.

    The settings put it there (``cluster.home.use_keys``), so that actors find it without the settings file.
    """
    file = env.get(KEYS_FILE_VARIABLE)
    return NamedKeys(text=env.get(KEYS_VARIABLE) or None, file=Path(file) if file else None)
