"""Sessions of people who have signed in, remembered for half a minute: a request need not ask PostgreSQL whose it is.

PostgreSQL is the truth. A session that was ended leaves a mark that no reader overwrites, so that one who read it just
before cannot bring it back. If the mark is lost with Redis, or was never made, the session is believed for
``TRUSTED_S`` at most. The key is the token's digest; the token itself is nowhere.
"""

import json
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from redis import Redis

from schema.cache.client import Cache, CacheAway
from schema.cache.families import SESSION
from schema.crypto import token_digest
from schema.users import UserSession

TRUSTED_S: Final = 30
"""How long a session is believed without asking PostgreSQL: this old at most are its role and its being in force."""
_ENDED: Final = b"ended"


class SessionCache:
    """Finds sessions by their tokens. Safe to call from several threads."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def find(self, token: str, load: Callable[[], UserSession | None], *, now_ns: int) -> UserSession | None:
        """The session of this token, if it is in force.

        Args:
            token: as its holder sent it.
            load: reads it from PostgreSQL (``schema.queries.user_sessions.find``).
            now_ns: the time.
        """
        key = SESSION.key(token_digest(token).hex())
        kept: Any = None
        with suppress(CacheAway):
            kept = self._cache.ask(lambda redis: redis.get(key))
        if kept == _ENDED:
            return None
        if kept is not None:
            session = UserSession(**json.loads(kept))
            return session if session.expires_ns > now_ns else None
        session = load()
        # Nothing is kept of unknown tokens: who guesses would fill the memory.
        if session is not None:
            value = json.dumps(asdict(session))
            with suppress(CacheAway):
                self._cache.ask(lambda redis: redis.set(key, value, nx=True, ex=TRUSTED_S))
        return session

    def end(self, digests: Collection[bytes]) -> bool:
        """Make sessions end at once, after PostgreSQL has committed that they did.

        Args:
            digests: of their tokens, as PostgreSQL has them.

        Returns:
            Whether Redis was told; if not, they are believed for ``TRUSTED_S`` more at most.
        """

        def mark(redis: Redis) -> None:
            with redis.pipeline(transaction=False) as pipeline:
                for digest in digests:
                    pipeline.set(SESSION.key(digest.hex()), _ENDED, ex=SESSION.ttl_s)
                pipeline.execute()

        try:
            self._cache.ask(mark)
        except CacheAway:
            return False
        return True
