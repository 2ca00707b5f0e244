"""Keys and the database: whether they fit, and sealing everything anew with the newest.

Rotation may run beside the system and be killed at any point: each batch is one transaction, and what was done stays
done. It works tenant by tenant with the rights of the program, so it sees nothing that the program would not.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Engine

from schema.crypto import CAMERA_SOURCE, SEALED, keyring
from schema.database import across_tenants, transaction
from schema.queries import sealed, tenants
from schema.queries.camera_sources import seal_plain_sources

BATCH: Final = 200
"""Rows that are locked at a time, for some milliseconds."""

Progress = Callable[[int], None]
"""Is told how many values have been changed since the last time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotated:
    """What a rotation did. ``changed`` counts values by column, ``in_use`` values that are sealed now by key id."""

    newest: str
    changed: Mapping[str, int]
    in_use: Mapping[str, int]
    unused: tuple[str, ...]
    """Keys that nothing needs any more: their lines may go."""

    @property
    def left(self) -> Mapping[str, int]:
        """Values that a process with older keys has sealed meanwhile, by key id."""
        return {key_id: count for key_id, count in self.in_use.items() if key_id != self.newest}


def check_keys(engine: Engine) -> None:
    """Make sure that everything sealed can be opened, before anything is started.

    Raises:
        BadInput: the keys are malformed, one is missing, or one is another under the same id; names it.
        StoreUnavailable: PostgreSQL does not answer.
    """
    keyring()
    for tenant_id in _tenants(engine):
        with transaction(engine, tenant_id) as session:
            for column in SEALED:
                sealed.check(session, column)


def usage(engine: Engine) -> Mapping[str, int]:
    """How many values each key has sealed, by its id, over all columns and tenants.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    counts: Counter[str] = Counter()
    for tenant_id in _tenants(engine):
        with transaction(engine, tenant_id) as session:
            for column in SEALED:
                counts.update(sealed.keys_in_use(session, column))
    return dict(counts)


def rotate(engine: Engine, progress: Progress = lambda _: None) -> Rotated:
    """Seal with the newest key whatever an older one sealed, and what lies in the clear.

    Raises:
        BadInput: a value cannot be opened; what was changed before it stays changed.
        StoreUnavailable: PostgreSQL does not answer; the same holds.
    """
    changed: Counter[str] = Counter()
    for tenant_id in _tenants(engine):
        changed[str(CAMERA_SOURCE)] += _in_batches(engine, tenant_id, seal_plain_sources, progress)
        for column in SEALED:
            changed[str(column)] += _in_batches(engine, tenant_id, partial(sealed.reseal, column=column), progress)
    in_use, keys = usage(engine), keyring()
    unused = tuple(key_id for key_id in keys.keys if key_id != keys.newest and key_id not in in_use)
    return Rotated(newest=keys.newest, changed=dict(changed), in_use=in_use, unused=unused)


def _in_batches(engine: Engine, tenant_id: int, step: Callable[..., tuple[int | None, int]], progress: Progress) -> int:
    total, after_id = 0, 0
    while after_id is not None:
        with transaction(engine, tenant_id) as session:
            after_id, changed = step(session, after_id=after_id, limit=BATCH)
        progress(changed)
        total += changed
    return total


def _tenants(engine: Engine) -> list[int]:
    with across_tenants(engine) as session:
        return tenants.ids(session)
