"""The audit trail: reading it, adding looks at secrets to it, and proving that nobody has altered it.

Changes of configuration and identity are recorded by triggers; see ``schema.tables.audit``.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, Select, Text, and_, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from schema.crypto import SealedColumn
from schema.tables import AuditChainRow, AuditLogRow, AuditOriginRow
from schema.times import to_ns

PAGE: Final = 1000
"""Entries that are held at a time while the chain is verified."""

Fault = Literal["changed", "missing", "reordered"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry. ``ip_address`` is None where nobody acted from a known place, or where he was erased since."""

    position: int
    at: datetime
    table: str
    action: str
    record_id: int | None
    user_id: int | None
    ip_address: str | None
    program: str
    login: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenLink:
    """The first entry that is not what was written. ``id`` and ``at`` are None where there is no entry any more."""

    fault: Fault
    position: int
    id: int | None
    at: datetime | None

    def __str__(self) -> str:
        match self.fault:
            case "missing" if self.position == 0:
                return "where the chain ends is not known any more"
            case "missing":
                return f"entry {self.position} is missing"
            case "changed":
                return f"entry {self.position} (id {self.id}) of {self.at} was changed"
            case "reordered":
                before = self.position - 1
                return f"entry {self.position} (id {self.id}) of {self.at} is not the one that followed entry {before}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """The hash that the entry at a position had. It stands for all entries before it too."""

    position: int
    hash: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of a verification: how many entries were right, and the newest one.

    Whoever notes ``head`` elsewhere finds out later if somebody computed the whole chain anew, hashes and all.
    """

    entries: int
    head: Seen | None
    broken: BrokenLink | None = None


def record_read(session: Session, column: SealedColumn, record_id: int) -> None:
    """Record that somebody is shown what is sealed in this column of this row.

    It locks the tenant's chain until the transaction ends: call it last.
    """
    session.execute(select(func.audit_read(column.table, record_id, column.what)))


def forget(session: Session, user_id: int, report: Mapping[str, Any] = MappingProxyType({})) -> int:
    """Forget from where an erased person acted, and record that he was erased; the chain still holds.

    Args:
        session: of the person's tenant.
        user_id: his number.
        report: recorded with it; nothing in it may be personal.

    Returns:
        How many addresses that were.
    """
    return session.scalars(select(func.audit_forget(user_id, cast(dict(report), JSONB)))).one()


def listing(session: Session, tenant_id: int | None, *, before: int | None = None, limit: int = 50) -> Sequence[Entry]:
    """The newest entries of a chain first.

    Args:
        session: of an auditor, see ``schema.database.auditing``.
        tenant_id: whose; None is the system's own.
        before: only entries before this position, to go on.
        limit: at most as many.
    """
    log = AuditLogRow
    statement = (
        select(log, AuditOriginRow.ip_address)
        .outerjoin(AuditOriginRow, and_(AuditOriginRow.digest == log.origin))
        .where(_of(AuditLogRow, tenant_id))
        .order_by(log.position.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(log.position < before)
    return [
        Entry(
            position=row.position,
            at=row.timestamp,
            table=row.table_name,
            action=row.action,
            record_id=row.record_id,
            user_id=row.user_id,
            ip_address=str(ip_address) if ip_address else None,
            program=row.program,
            login=row.login,
            old=row.old,
            new=row.new,
        )
        for row, ip_address in session.execute(statement)
    ]


def verify(
    session: Session,
    tenant_id: int | None,
    *,
    noted: Seen | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Verdict:
    """Compute a chain anew and compare; entries that are added meanwhile are left to the next time.

    Args:
        session: of an auditor, see ``schema.database.auditing``.
        tenant_id: whose chain; None is the system's own.
        noted: the ``head`` of an earlier verdict, which must be there still.
        progress: is told how many entries were looked at since the last time.
    """
    chain = session.scalar(select(AuditChainRow).where(_of(AuditChainRow, tenant_id)))
    if chain is None:
        nothing = session.scalar(select(AuditLogRow.id).where(_of(AuditLogRow, tenant_id)).limit(1)) is None
        return Verdict(entries=0, head=None, broken=None if nothing and noted is None else _missing(0))
    head = Seen(position=chain.position, hash=chain.hash)
    to_be_met = [seen for seen in (noted, head) if seen is not None and seen.position >= chain.first_position]
    expected, previous = chain.first_position, chain.first_previous
    broken: BrokenLink | None = None
    for page in session.execute(_entries(tenant_id, chain.position).execution_options(yield_per=PAGE)).partitions():
        for entry in page:
            broken = _fault(entry, expected, previous, to_be_met)
            if broken is not None:
                return Verdict(entries=expected - chain.first_position, head=head, broken=broken)
            expected, previous = expected + 1, entry.hash
        progress(len(page))
    if any(seen.position >= expected for seen in to_be_met):
        broken = _missing(expected)
    return Verdict(entries=expected - chain.first_position, head=head, broken=broken)


def _of(table: type[AuditLogRow | AuditChainRow], tenant_id: int | None) -> ColumnElement[bool]:
    return table.tenant_id.is_(None) if tenant_id is None else table.tenant_id == tenant_id


def _entries(tenant_id: int | None, last: int) -> Select[*tuple[Any, ...]]:
    log = AuditLogRow
    return (
        select(
            log.id, log.position, log.tenant_id, log.timestamp, log.table_name, log.action, log.record_id, log.user_id,
            log.origin, log.program, log.login, cast(log.old, Text).label("old"), cast(log.new, Text).label("new"),
            log.previous_hash, log.hash,
        )
        .where(_of(AuditLogRow, tenant_id), log.position <= last)
        .order_by(log.position)
    )  # fmt: skip


def _fault(
    entry: Row[*tuple[Any, ...]], expected: int, previous: bytes, to_be_met: Iterable[Seen]
) -> BrokenLink | None:
    """What is wrong with the entry that was found where ``expected`` should be."""
    if entry.position > expected:
        return _missing(expected)
    fault: Fault
    if entry.hash != hashlib.sha256(entry.previous_hash + _canonical(entry)).digest():
        fault = "changed"
    elif entry.position < expected or entry.previous_hash != previous:
        fault = "reordered"
    elif any(seen.position == entry.position and seen.hash != entry.hash for seen in to_be_met):
        fault = "changed"
    else:
        return None
    return BrokenLink(fault=fault, position=entry.position, id=entry.id, at=entry.timestamp)


def _missing(position: int) -> BrokenLink:
    return BrokenLink(fault="missing", position=position, id=None, at=None)


def _canonical(entry: Row[*tuple[Any, ...]]) -> bytes:
    """What is hashed of an entry after the hash before it; SQL's ``audit_write`` does the same."""
    fields = (
        entry.tenant_id, to_ns(entry.timestamp) // 1000, entry.table_name, entry.action, entry.record_id, entry.user_id,
        entry.origin and entry.origin.hex(), entry.program, entry.login, entry.old, entry.new,
    )  # fmt: skip
    encoded = (None if field is None else str(field).encode() for field in fields)
    return b",".join(b"-" if field is None else b"%d:%b" % (len(field), field) for field in encoded)
