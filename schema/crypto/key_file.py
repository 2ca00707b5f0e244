"""Key files: reading, making and adding to them. Only their owner may read them."""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from schema.crypto.keyring import INDEX_KEY, Keyring, new_key_line
from schema.errors import BadInput


def read_key_file(file: Path) -> Keyring:
    """The keys in a file.

    Raises:
        BadInput: it is missing, cannot be read, or is malformed.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadInput(f"the key file {file} cannot be read ({reason}): restore it, or correct keys_file") from None
    return Keyring.parse(text, str(file))


def make_key_file(file: Path) -> bool:
    """Make a file with a new key and an index key, unless it exists; whether it was made now.

    Raises:
        BadInput: the folder is not ours to write.
    """
    if file.exists():
        return False
    key_id = f"k{datetime.now(UTC):%Y%m%d}"
    comment = "# Opens what is sealed in the database. Without it that is lost: keep a copy, apart from the backups."
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, [comment, new_key_line(key_id), new_key_line(INDEX_KEY)], replace=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise BadInput(f"no key file can be made in {file.parent} ({error.strerror}): set keys_file") from None
    return True


def add_key(file: Path, key_id: str) -> None:
    """Put a new key in front of the others; from now on it seals.

    Raises:
        BadInput: the id is taken or malformed, or the file cannot be read or written.
    """
    read_key_file(file)
    lines = [new_key_line(key_id), *file.read_text(encoding="utf-8").splitlines()]
    Keyring.parse("\n".join(lines), str(file))
    try:
        _write(file, lines, replace=True)
    except OSError as error:
        raise BadInput(f"the key file {file} cannot be written ({error.strerror}): add the key's line there") from None


def _write(file: Path, lines: list[str], *, replace: bool) -> None:
    """All or nothing: whoever reads it meanwhile sees the file as it was or as it will be."""
    descriptor, part = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")
            out.flush()
            os.fsync(descriptor)
        if replace:
            owner = file.stat()
            if os.geteuid() == 0:
                os.chown(part, owner.st_uid, owner.st_gid)
            os.chmod(part, owner.st_mode & 0o777)
            os.replace(part, file)
        else:
            os.link(part, file)
    finally:
        Path(part).unlink(missing_ok=True)
