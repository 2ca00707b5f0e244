"""Every place where data lies, and whose it is: what is handed out of it, and what becomes of it when he is erased.

A test compares this list with the database's catalogue, the families in Redis, the queues, and the kinds of files and
archives. Whoever adds one of these says here whose data is in it. Two sorts of people are told apart:

- ``user``: somebody with an account. ``collecting`` hands his data out, ``erasing`` erases it.
- ``passer-by``: somebody whom a camera saw. Nobody knows who it was, so nothing can be handed out or erased on a
  person's request; the tenant's retention limits how long it is kept.
"""

from collections.abc import Sequence
from typing import Final

from schema.cache import families
from schema.cache.families import Family
from schema.jobs import KINDS as JOB_KINDS
from schema.names import ALERTS_QUEUE, CROSSINGS_QUEUE, DEAD_LETTER_QUEUE, jobs_queue
from schema.privacy.places import Place, nobody, passer_by, table, user

_WHOLE_ROW = "the row"
_GOES = "deleted, if he asked for the job"
_NUMBER = "stays: a number that leads to no name"
_BLOTTED = "his name and addresses are blotted out"

_PEOPLE: Final = (
    *table(
        "users",
        user("username", export=_WHOLE_ROW, erase="'erased-' and his number instead"),
        user("email_sealed", export="opened", erase="null"),
        user("email_index password_hash", export="not: they tell him nothing", erase="null"),
        user("last_login_at", export=_WHOLE_ROW, erase="null"),
        user("is_active erased_at role created_at", export=_WHOLE_ROW, erase="stays: inactive, erased since when"),
        nobody("id tenant_id"),
    ),
    *table(
        "user_sessions",
        user("ip_address user_agent", export=_WHOLE_ROW, erase="deleted"),
        user("created_at expires_at last_seen_at revoked_at", export=_WHOLE_ROW, erase="deleted"),
        user("token_hash", export="not: it tells him nothing", erase="deleted"),
        nobody("id user_id tenant_id"),
    ),
    *table(
        "audit_origins",
        user("ip_address", export="with what he did", erase="deleted"),
        user("salt digest", export="not: they tell him nothing", erase="deleted"),
        nobody("id user_id tenant_id"),
    ),
    *table(
        "audit_logs",
        user("user_id record_id", export="the entry", erase=_NUMBER),
        user("origin", export="as an address", erase="stays: without its salt it leads nowhere"),
        user("old new", export="the entry", erase="stays: holds no values of personal columns"),
        nobody("timestamp id tenant_id position table_name action program login previous_hash hash"),
    ),
    *table("audit_chains", nobody("id tenant_id position hash last_at first_position first_previous")),
    *table(
        "jobs",
        user("arguments key message result error", export=_WHOLE_ROW, erase=_GOES),
        user("requested_by", export=_WHOLE_ROW, erase=_GOES),
        nobody("id kind state progress attempts retries holder lease_epoch lease_expires_at"),
        nobody("created_at available_at told_at started_at finished_at tenant_id"),
    ),
    *table(
        "alerts",
        user("message data", export="of alerts that he acknowledged", erase=_BLOTTED),
        user("acknowledged_by acknowledged_at", export="of alerts that he acknowledged", erase=_NUMBER),
        nobody("id type severity timestamp resolved resolved_at camera_id zone_id tenant_id"),
    ),
    *table(
        "outbox",
        user("body", export="not: it is there for a moment", erase=f"in messages about alerts {_BLOTTED}"),
        nobody("id event_id exchange routing_key created_at tenant_id"),
    ),
)

_SEEN: Final = (
    *table(
        "crossings",
        passer_by("track_id x y confidence dwell_s occurred_at confirmed_at frame ordinal", "numbers of one visit"),
        nobody("id event_id camera_id epoch zone_id kind direction cause undoes undoes_at model tenant_id"),
    ),
    *table(
        "evidence",
        passer_by("file_id box trajectory seen_at occurred_at", "deleted after the tenant's evidence_days"),
        nobody("id event_id camera_id zone_id model created_at tenant_id"),
    ),
    *table(
        "streams",
        passer_by("state", "tracks of people in the picture right now, written over every second"),
        nobody("camera_id epoch started_at is_file checkpoint finished created_at tenant_id"),
    ),
    *table(
        "files",
        user("filename path sha256 size mime_type", export="exports that he asked for", erase="his alone are deleted"),
        nobody("id kind created_at expires_at tenant_id"),
    ),
)

_COUNTS: Final = "count_in count_out effective_in effective_out appeared lost dwell_s"
_THINGS: Final = (
    *table("tenants", nobody("id name hot_days warm_days cold_days evidence_days created_at")),
    *table(
        "cameras",
        nobody("id name friendly_name ip_address source source_sealed status status_at enabled playback detect_fps"),
        nobody("started_at config created_at removed_at tenant_id"),
    ),
    *table(
        "zones",
        nobody("id camera_id name type coordinates version flip anchor u_turn_s created_at retired_at tenant_id"),
    ),
    *table("leases", nobody("camera_id holder epoch granted_at expires_at tenant_id")),
    *table("coverage", nobody("camera_id epoch from_at to_at tenant_id")),
    *table("counting_results", nobody(f"bucket camera_id id zone_id {_COUNTS} tenant_id")),
    *table("zone_totals", nobody(f"zone_id revision {_COUNTS} occupancy_base tenant_id")),
    *table("camera_events", nobody("timestamp id event_id camera_id event_type data tenant_id")),
    *table("outbox_crossings", nobody("id event_ids first_at last_at created_at tenant_id")),
    *table(
        "analytics",
        nobody(f"period timestamp id type camera_id zone_id {_COUNTS} covered_s revision stale data tenant_id"),
        nobody("hourly_in hourly_out hourly_effective_in hourly_effective_out hourly_appeared hourly_lost"),
        nobody("hourly_dwell_s hourly_covered_s"),
    ),
    *table(
        "packed_days",
        nobody("zone_id day camera_id first_minute minutes checksum tenant_id"),
        nobody("count_in count_out undone_in undone_out appeared lost dwell_ms"),
    ),
    *table(
        "archives",
        nobody("id kind tier first_day state path row_count checksum size row_groups from_at to_at created_at"),
        nobody("switched_at tenant_id"),
    ),
    *table("ai_models", nobody("id name version status config created_at activated_at")),
    *table("model_logs", nobody("timestamp id model_id log_type message")),
)


def _redis(family: Family) -> Place:
    if family is families.SESSION:
        return user(export="not: PostgreSQL has it", erase="written over at once, gone within a minute").at(
            "redis", family.name
        )
    return nobody().at("redis", family.name)


_REDIS: Final = tuple(
    map(
        _redis,
        (
            families.LIVE, families.TOTALS, families.BUILT, families.TODAY, families.STATUS, families.SESSION,
            families.ANSWER, families.FLIGHT, families.LOCK, families.FENCE, families.FLAGS,
        ),
    )
)  # fmt: skip

_QUEUES: Final = (
    passer_by(erase="numbers of one visit, until a consumer takes them").at("queue", CROSSINGS_QUEUE),
    user(export="not: PostgreSQL has it", erase=_BLOTTED).at("queue", ALERTS_QUEUE),
    *(nobody().at("queue", jobs_queue(kind)) for kind in JOB_KINDS),
    user(export="not: PostgreSQL has it", erase=_BLOTTED).at("queue", DEAD_LETTER_QUEUE),
)

_FILES: Final = (
    passer_by(erase="deleted after the tenant's evidence_days").at("files", "evidence"),
    user(export="the files that he asked for", erase="those that he alone asked for are deleted").at("files", "export"),
    nobody().at("files", "archive"),
    nobody().at("files", "upload"),
)

_ARCHIVES: Final = (
    nobody(
        "camera_id zone_id bucket count_in count_out undone_in undone_out appeared lost dwell_ms"
    ).at("archive", "counting_results"),
    passer_by(
        "track_id x y confidence dwell_s occurred_at confirmed_at frame ordinal", "numbers of one visit"
    ).at("archive", "crossings"),
    nobody("camera_id event_id epoch zone_id kind direction cause undoes undoes_at model").at("archive", "crossings"),
    nobody("camera_id timestamp event_id event_type data").at("archive", "camera_events"),
    nobody("camera_id epoch from_at to_at").at("archive", "coverage"),
)  # fmt: skip

INVENTORY: Final[Sequence[Place]] = (*_PEOPLE, *_SEEN, *_THINGS, *_REDIS, *_QUEUES, *_FILES, *_ARCHIVES)
