"""The keys of this process.

The environment says where they are (see ``schema.settings.named_keys``), because every process has one and hands it on
to those that it starts, Ray's among them. Keys never travel through Ray or the database.
"""

from functools import lru_cache
from pathlib import Path

from schema.crypto.key_file import read_key_file
from schema.crypto.keyring import Keyring
from schema.errors import BadInput
from schema.settings import KEYS_VARIABLE, named_keys


def keyring() -> Keyring:
    """The keys as they are now: a key that is added to the file is used at once.

    Raises:
        BadInput: no keys are named, or they are missing or malformed.
    """
    named = named_keys()
    if named.text is not None:
        return _parse(named.text)
    if named.file is None:
        raise BadInput("there are no keys to seal or open with: set keys_file to a key file")
    try:
        state = named.file.stat()
    except OSError:
        return read_key_file(named.file)  # which says what is wrong
    return _read(named.file, (state.st_ino, state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=4)
def _parse(text: str) -> Keyring:
    return Keyring.parse(text, KEYS_VARIABLE)


@lru_cache(maxsize=4)
def _read(file: Path, state: tuple[int, int, int]) -> Keyring:
    del state
    return read_key_file(file)
