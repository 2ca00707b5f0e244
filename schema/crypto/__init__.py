"""Sealing what a dump of the database must not show: keys, sealed columns, blind indexes, digests of tokens."""

from schema.crypto.columns import CAMERA_SOURCE, SEALED, USER_EMAIL, SealedColumn
from schema.crypto.key_file import add_key, make_key_file
from schema.crypto.keyring import Keyring, key_id_of
from schema.crypto.process import keyring
from schema.crypto.tokens import token_digest

__all__ = [
    "CAMERA_SOURCE",
    "SEALED",
    "USER_EMAIL",
    "Keyring",
    "SealedColumn",
    "add_key",
    "key_id_of",
    "keyring",
    "make_key_file",
    "token_digest",
]
