"""What the broker has not been told yet."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from schema.names import ALERTS_EXCHANGE, EVENTS_EXCHANGE, JOBS_EXCHANGE


def waiting(session: Session) -> dict[str, int]:
    """How many messages wait, by exchange; for the system's role, which sees those of all tenants."""
    counts = {EVENTS_EXCHANGE: 0, JOBS_EXCHANGE: 0, ALERTS_EXCHANGE: 0}
    found = session.execute(text("select exchange, count(*) as messages from outbox group by exchange"))
    counts.update({row.exchange: row.messages for row in found})
    crossings = session.scalar(text("select coalesce(sum(cardinality(event_ids)), 0) from outbox_crossings"))
    counts[EVENTS_EXCHANGE] += int(crossings or 0)
    return counts
