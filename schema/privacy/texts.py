"""Sentences in tables that may name a person: alerts, and the messages about them that the broker has not got yet."""

import json
from typing import Any, Final, cast

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from schema.privacy.mentions import Mentions

_MAY_NAME: Final = (
    "exists (select from unnest(cast(:words as text[])) word where strpos(lower({said}), lower(word)) > 0)"
)


def alerts_that_name(session: Session, mentions: Mentions) -> int:
    """How many alerts of the transaction's tenant name the person."""
    return sum(_told(row, mentions) is not None for row in session.execute(_ALERTS, {"words": mentions.words}))


def blot_alerts(session: Session, mentions: Mentions) -> int:
    """Blot the person out of the alerts of the transaction's tenant; how many were changed."""
    changed = 0
    for row in session.execute(_LOCKED_ALERTS, {"words": mentions.words}).all():
        told = _told(row, mentions)
        if told is not None:
            message, data = told
            session.execute(_SET_ALERT, {"id": row.id, "message": message, "data": json.dumps(data)})
            changed += 1
    return changed


def blot_outbox(session: Session, mentions: Mentions) -> int:
    """Blot the person out of messages about alerts that are not at the broker yet; how many were changed.

    Those that the relay is just sending are waited for: they are at the broker then.
    """
    changed = 0
    for row in session.execute(_OUTBOX, {"words": mentions.words}).all():
        body = row.body.encode()
        told = mentions.message(body)
        if told != body:
            session.execute(_SET_OUTBOX, {"id": row.id, "body": told.decode()})
            changed += 1
    return changed


def is_of_another(session: Session, body: bytes, tenant_id: int) -> bool:
    """Whether a message is about an alert of another tenant, whose people may have the same names; for the system."""
    try:
        content = json.loads(body)
    except ValueError:
        return False
    alert_id = cast(dict[str, Any], content).get("alert_id") if isinstance(content, dict) else None
    if not isinstance(alert_id, int):
        return False
    owner_id = session.scalar(_OWNER, {"id": alert_id})
    return owner_id is not None and owner_id != tenant_id


def _told(row: Row[Any], mentions: Mentions) -> tuple[str, Any] | None:
    """What an alert says without the person; None where it does not name him."""
    message, data = mentions.text(row.message), mentions.values(row.data)
    return None if (message, data) == (row.message, row.data) else (message, data)


def _may_name(said: str) -> str:
    return _MAY_NAME.format(said=said)


def _alerts(lock: str) -> TextClause:
    return text(
        f"select id, message, data from alerts where {_may_name('message')} or {_may_name('cast(data as text)')}"  # noqa: S608 - our own words
        f" order by id {lock}"
    )


_ALERTS: Final = _alerts("")
_LOCKED_ALERTS: Final = _alerts("for update")
_SET_ALERT: Final = text("update alerts set message = :message, data = cast(:data as jsonb) where id = :id")
_OWNER: Final = text("select tenant_id from alerts where id = :id")
_OUTBOX: Final = text(
    "select id, cast(body as text) as body from outbox"  # noqa: S608 - our own words
    f" where exchange = 'turnstile.alerts' and {_may_name('cast(body as text)')} order by id for update"
)
_SET_OUTBOX: Final = text("update outbox set body = cast(:body as jsonb) where id = :id")
