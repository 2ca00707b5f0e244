"""Keys, and what is done with them: seal, open, index.

A sealed value is ``1 | length of the key's id | the key's id | nonce (12) | AES-256-GCM ciphertext and tag``. What is
before the nonce is authenticated, and so is the column: a value that is moved to another column does not open there.
The id lies in the clear, so that SQL can find the values that an old key sealed.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schema.errors import BadInput

KEY_BYTES: Final = 32
INDEX_KEY: Final = "index"
"""The id of the key for blind indexes, which seals nothing."""

_VERSION = 1
_NONCE_BYTES = 12
_TAG_BYTES = 16
_INDEX_BYTES = 16
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Keyring:
    """The keys of one installation: the newest seals, all of them open.

    ``index_key`` may be missing where nothing is searched by blind index.
    """

    newest: str
    keys: Mapping[str, bytes] = field(repr=False)
    index_key: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, where: str) -> "Keyring":
        """Read lines of ``id:base64key``; the first key seals. Empty lines and lines that start with # are skipped.

        Args:
            text: the lines. Each key is 32 bytes; the one named ``index`` is for blind indexes.
            where: the file or variable they come from, for messages.

        Raises:
            BadInput: a line is malformed, an id is given twice, or there is no key; names the id, never shows a key.
        """
        keys: dict[str, bytes] = {}
        for number, line in enumerate(text.splitlines(), 1):
            stripped = line.strip()
            if stripped and not stripped.startswith("#"):
                key_id, key = _parse_line(stripped, f"{where}, line {number}")
                if key_id in keys:
                    raise BadInput(f"{where}: the key id '{key_id}' is given twice: give each key an id of its own")
                keys[key_id] = key
        index_key = keys.pop(INDEX_KEY, None)
        if not keys:
            raise BadInput(
                f"{where} holds no key to seal with: add a line 'id:base64key' with {KEY_BYTES} random bytes"
            )
        return cls(newest=next(iter(keys)), keys=keys, index_key=index_key)

    def seal(self, text: str, *, column: str) -> bytes:
        """The text sealed with the newest key; twice the same text gives different bytes.

        Args:
            text: what is to be kept secret.
            column: ``table.column``, where it will lie.
        """
        key_id = self.newest.encode()
        header = bytes((_VERSION, len(key_id))) + key_id
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return header + nonce + AESGCM(self.keys[self.newest]).encrypt(nonce, text.encode(), header + column.encode())

    def open(self, sealed: bytes, *, column: str) -> str:
        """The text that was sealed for this column.

        Raises:
            BadInput: its key is not among ours, is another one under the same id, or the bytes are damaged.
        """
        key_id = key_id_of(sealed, column=column)
        if key_id not in self.keys:
            raise BadInput(
                f"the key '{key_id}', which sealed {column}, is not among the keys ({', '.join(self.keys)}): "
                "add its line to them again"
            )
        header, rest = sealed[: 2 + sealed[1]], sealed[2 + sealed[1] :]
        nonce, ciphertext = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return AESGCM(self.keys[key_id]).decrypt(nonce, ciphertext, header + column.encode()).decode()
        except InvalidTag:
            raise BadInput(
                f"a value of {column} does not open with the key '{key_id}': give the key that had this id when the "
                "value was sealed, or restore the value from a backup if it is damaged"
            ) from None

    def blind_index(self, text: str, *, column: str) -> bytes:
        """What stands for the text where it is searched for: equal for equal texts, and nothing can be read from it.

        Letter case, spaces around it, and different ways to encode the same letters make no difference.

        Returns:
            16 bytes of HMAC-SHA256.

        Raises:
            BadInput: there is no index key.
        """
        if self.index_key is None:
            raise BadInput(
                f"there is no key '{INDEX_KEY}', by which {column} is searched: add its line to the key file"
            )
        normal = unicodedata.normalize("NFKC", text).strip().casefold()
        return hmac.digest(self.index_key, f"{column}\0{normal}".encode(), hashlib.sha256)[:_INDEX_BYTES]


def key_id_of(sealed: bytes, *, column: str) -> str:
    """The id of the key that sealed a value.

    Raises:
        BadInput: the bytes were not sealed by this version of the program.
    """
    if len(sealed) < 2 or sealed[0] != _VERSION or len(sealed) < 2 + sealed[1] + _NONCE_BYTES + _TAG_BYTES:
        raise BadInput(f"a value of {column} is not sealed as this version seals: upgrade turnstile, or restore it")
    return sealed[2 : 2 + sealed[1]].decode(errors="replace")


def new_key_line(key_id: str) -> str:
    """A line for a key file, with a random key."""
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def _parse_line(line: str, where: str) -> tuple[str, bytes]:
    key_id, colon, encoded = line.partition(":")
    if not colon or not _ID.fullmatch(key_id):
        raise BadInput(
            f"{where} is not a key: write 'id:base64key', the id of 1 to 32 letters, digits, '.', '_' or '-'"
        )
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        raise BadInput(f"{where}: the key '{key_id}' is not base64: write 32 random bytes in base64") from None
    if len(key) != KEY_BYTES:
        raise BadInput(f"{where}: the key '{key_id}' has {len(key)} bytes: write {KEY_BYTES} random bytes in base64")
    return key_id, key
