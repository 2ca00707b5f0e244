"""Erasing a person: his account stays as a number without a name, because history refers to it.

It can be killed at any point and begun again: what finds him elsewhere (his name, his sessions, what his jobs made)
is forgotten last, in one transaction with the entry in the audit trail.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from schema.database import Acting, across_tenants, transaction
from schema.errors import BadInput, NotFound
from schema.privacy import requests, texts
from schema.privacy.person import Person, person_of
from schema.privacy.reach import Change, Reach
from schema.privacy.report import Done, Report
from schema.queries import audit, user_sessions
from schema.storage.sweep import delete_unnamed
from schema.tables import UserRow, UserSessionRow
from schema.times import to_datetime
from schema.users import ADMINS

Tell = Callable[[float, str], None]
"""Told how far it is (0..1), and what comes next."""

SIGN_INS: Final = "user_sessions"


def erase(
    reach: Reach,
    tenant_id: int,
    user_id: int,
    *,
    now_ns: int,
    force: bool = False,
    by: int | None = None,
    tell: Tell = lambda _share, _step: None,
) -> Report:
    """Erase a person everywhere; one who was erased before stays as he is.

    Args:
        reach: all stores.
        tenant_id: whose he is.
        user_id: his number.
        now_ns: the time.
        force: even the last one who may manage the tenant.
        by: the number of the user who wants it, None for the program itself.
        tell: told before each step.

    Raises:
        NotFound: the tenant has no such user.
        BadInput: nobody else may manage the tenant.
        StoreUnavailable: a store does not answer; repeating this goes on.
        Permanent: a store refuses us.
    """
    acting = Acting(user_id=by)  # without an address: one of his own would be remembered again
    tell(0.0, "locking the account")
    with transaction(reach.engine, tenant_id, acting=acting) as session:
        person = _lock_out(session, user_id, now_ns=now_ns, force=force)
        if person.is_erased:
            return Report(user_id=user_id, before=True)
        cancelled = requests.cancel_jobs(session, user_id)
    tell(0.1, "ending sessions")
    done = [Done(where="table jobs", what="open jobs cancelled", count=cancelled), _end_sessions(reach, person)]
    tell(0.2, "deleting exports")
    done.append(_delete_exports(reach, person))
    tell(0.4, "looking through alerts")
    mentions = person.mentions
    with transaction(reach.engine, tenant_id) as session:
        done.append(Done(where="table alerts", what="name blotted out", count=texts.blot_alerts(session, mentions)))
    with transaction(reach.engine, tenant_id) as session:
        done.append(Done(where="table outbox", what="name blotted out", count=texts.blot_outbox(session, mentions)))
    tell(0.5, "looking through queues")
    changed = reach.rewrite(_blotting(reach, person))
    done += [Done(where=f"queue {name}", what="name blotted out", count=count) for name, count in changed.items()]
    tell(0.9, "forgetting the account")
    with transaction(reach.engine, tenant_id, acting=acting) as session:
        return _forget(session, person, done, now_ns=now_ns)


def preview(reach: Reach, tenant_id: int, user_id: int) -> Report:
    """What ``erase`` would do, as far as it can be known without touching anything; raises as it does.

    Messages cannot be looked at without being taken, so all that wait are counted.
    """
    with transaction(reach.engine, tenant_id) as session:
        person = person_of(session, _row(session, user_id, lock=False))
        if person.is_erased:
            return Report(user_id=user_id, before=True)
        sessions = len(_digests(session, user_id))
        done = [
            Done(where="table jobs", what="open jobs cancelled", count=requests.open_jobs(session, user_id)),
            Done(where="Redis session", what="ended", count=sessions),
            Done(where="files export", what="deleted", count=len(requests.exports(session, user_id))),
            Done(where="table alerts", what="name blotted out", count=texts.alerts_that_name(session, person.mentions)),
            *(Done(where=f"queue {name}", what="looked through", count=n) for name, n in reach.waiting().items()),
            Done(where=f"table {SIGN_INS}", what="deleted", count=sessions),
            Done(where="table jobs", what="deleted", count=requests.ended_jobs(session, user_id)),
            Done(where="table audit_origins", what="deleted", count=None),
            Done(where="table users", what="name, e-mail address and password blotted out", count=1),
        ]
    return Report(user_id=user_id, done=done)


def _lock_out(session: Session, user_id: int, *, now_ns: int, force: bool) -> Person:
    """From here on he cannot sign in, and nothing is made for him any more."""
    # All of them are locked in one order: of two who are erased at once, the second sees that the first is gone.
    admins = session.scalars(
        select(UserRow.id).where(UserRow.role.in_(ADMINS), UserRow.is_active).order_by(UserRow.id).with_for_update()
    ).all()
    if list(admins) == [user_id] and not force:
        raise BadInput(
            "nobody else may manage this tenant: make somebody else an admin first, or use --force if the tenant ends"
        )
    row = _row(session, user_id, lock=True)
    if row.erased_at is None:
        row.is_active, row.password_hash = False, None
        user_sessions.revoke_all(session, user_id, now_ns=now_ns)
    return person_of(session, row)


def _end_sessions(reach: Reach, person: Person) -> Done:
    with transaction(reach.engine, person.tenant_id) as session:
        digests = _digests(session, person.id)
    if reach.sessions.end(digests):
        return Done(where="Redis session", what="ended", count=len(digests))
    return Done(where="Redis session", what="Redis did not answer: what it has ends within half a minute", count=None)


def _delete_exports(reach: Reach, person: Person) -> Done:
    with transaction(reach.engine, person.tenant_id) as session:
        exports = requests.exports(session, person.id)
        requests.delete_export_rows(session, [path for path, _ in exports])
    delete_unnamed(reach.engine, reach.files, exports)
    return Done(where="files export", what="deleted", count=len(exports))


def _blotting(reach: Reach, person: Person) -> Change:
    """What becomes of a message. The queues are all tenants'; alerts of others stay as they are."""
    mentions = person.mentions

    def change(body: bytes) -> bytes:
        told = mentions.message(body)
        if told == body:
            return body
        with across_tenants(reach.engine) as session:
            return body if texts.is_of_another(session, body, person.tenant_id) else told

    return change


def _forget(session: Session, person: Person, done: list[Done], *, now_ns: int) -> Report:
    row = _row(session, person.id, lock=True)
    if row.erased_at is not None:
        return Report(user_id=person.id, before=True)
    requests.cancel_jobs(session, person.id)  # what a session that was believed a moment longer asked for
    ended = session.scalars(
        delete(UserSessionRow).where(UserSessionRow.user_id == person.id).returning(UserSessionRow.id)
    ).all()
    row.username = person.marker
    row.email_sealed = row.email_index = row.last_login_at = None
    row.erased_at = to_datetime(now_ns)
    done = [
        *done,
        Done(where=f"table {SIGN_INS}", what="deleted", count=len(ended)),
        Done(where="table jobs", what="deleted", count=requests.delete_jobs(session, person.id)),
        Done(where="table users", what="name, e-mail address and password blotted out", count=1),
    ]
    session.flush()
    addresses = audit.forget(session, person.id, Report(user_id=person.id, done=done).values())
    return Report(user_id=person.id, done=[*done, Done(where="table audit_origins", what="deleted", count=addresses)])


def _row(session: Session, user_id: int, *, lock: bool) -> UserRow:
    row = session.get(UserRow, user_id, with_for_update=lock or None)
    if row is None:
        raise NotFound(f"there is no user {user_id} in this tenant: check the number and the tenant")
    return row


def _digests(session: Session, user_id: int) -> list[bytes]:
    return list(session.scalars(select(UserSessionRow.token_hash).where(UserSessionRow.user_id == user_id)))
