"""Tokens are random, so a plain digest of one is enough to recognise it and of no use to whoever reads it."""

import hashlib


def token_digest(token: str) -> bytes:
    """What is stored of a token: 32 bytes of SHA-256. Not for passwords, which can be guessed."""
    return hashlib.sha256(token.encode()).digest()
