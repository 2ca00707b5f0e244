"""Every sealed column, once: rotation, the checks at start, the test of the dump and erasure go by this list."""

from dataclasses import dataclass
from typing import Final

from schema.crypto.keyring import Keyring


@dataclass(frozen=True, kw_only=True, slots=True)
class SealedColumn:
    """A ``bytea`` column with sealed values (see ``schema.crypto.keyring``), null where there is nothing to hide.

    ``index`` is the column beside it that holds its blind index, if it is searched for.
    """

    table: str
    column: str
    what: str
    """For people: what is in it."""
    index: str | None = None

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"

    def seal(self, keyring: Keyring, text: str) -> bytes:
        """The text as it is stored."""
        return keyring.seal(text, column=str(self))

    def open(self, keyring: Keyring, sealed: bytes) -> str:
        """The text of a stored value.

        Raises:
            BadInput: the keys do not open it.
        """
        return keyring.open(sealed, column=str(self))

    def blind_index(self, keyring: Keyring, text: str) -> bytes:
        """What its index column holds for this text.

        Raises:
            BadInput: there is no index key.
        """
        return keyring.blind_index(text, column=str(self))


CAMERA_SOURCE: Final = SealedColumn(table="cameras", column="source_sealed", what="camera addresses with credentials")
USER_EMAIL: Final = SealedColumn(table="users", column="email_sealed", what="e-mail addresses", index="email_index")

SEALED: Final = (CAMERA_SOURCE, USER_EMAIL)
