"""Cameras, what they count by, what was counted, and what is still to be told.

Revision ID: 0001
Revises: nothing
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CAMERAS = """
create table cameras (
    id bigint generated always as identity constraint pk_cameras primary key,
    name text not null,
    friendly_name text not null default '',
    ip_address inet,
    source text not null,
    status text not null default 'new',
    status_at timestamptz,
    enabled boolean not null default true,
    playback text not null default 'live',
    detect_fps double precision,
    started_at timestamptz,
    config jsonb not null default '{}',
    created_at timestamptz not null default now(),
    removed_at timestamptz,
    constraint ck_cameras_playback check (playback in ('live', 'recorded')),
    constraint ck_cameras_status check (status in ('new', 'connected', 'lost', 'refused', 'ended', 'failed')),
    constraint ck_cameras_detect_fps check (detect_fps > 0)
);
create unique index uq_cameras_name on cameras (name) where removed_at is null;

create table zones (
    id bigint generated always as identity constraint pk_zones primary key,
    camera_id bigint not null constraint fk_zones_camera_id_cameras references cameras (id),
    name text not null,
    type text not null,
    coordinates jsonb not null,
    version integer not null,
    flip boolean not null default false,
    anchor text not null default 'foot',
    u_turn_s double precision not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz,
    constraint uq_zones_camera_id_name_version unique (camera_id, name, version),
    constraint ck_zones_type check (type in ('line', 'polygon')),
    constraint ck_zones_anchor check (anchor in ('foot', 'center')),
    constraint ck_zones_version check (version >= 1),
    constraint ck_zones_u_turn_s check (u_turn_s >= 0),
    constraint ck_zones_coordinates check (jsonb_array_length(coordinates) >= 2)
);
create unique index uq_zones_in_force on zones (camera_id, name) where retired_at is null;

create table leases (
    camera_id bigint constraint pk_leases primary key constraint fk_leases_camera_id_cameras references cameras (id),
    holder text not null,
    epoch bigint not null,
    granted_at timestamptz not null,
    expires_at timestamptz not null,
    constraint ck_leases_epoch check (epoch >= 1)
) with (fillfactor = 50);
"""

STREAMS = """
create table streams (
    camera_id bigint not null constraint fk_streams_camera_id_cameras references cameras (id),
    epoch text not null,
    started_at timestamptz not null,
    is_file boolean not null,
    checkpoint bigint not null default 0,
    state bytea,
    finished boolean not null default false,
    created_at timestamptz not null default now(),
    constraint pk_streams primary key (camera_id, epoch),
    constraint ck_streams_checkpoint check (checkpoint >= 0)
) with (fillfactor = 70);

create table coverage (
    camera_id bigint not null,
    epoch text not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    constraint pk_coverage primary key (camera_id, epoch, from_at),
    constraint fk_coverage_camera_id_epoch_streams
        foreign key (camera_id, epoch) references streams (camera_id, epoch),
    constraint ck_coverage_forward check (to_at >= from_at)
) with (fillfactor = 50);
create index ix_coverage_camera_id_from_at on coverage (camera_id, from_at);
"""

COUNTS = """
create table crossings (
    occurred_at timestamptz not null,
    id bigint generated always as identity,
    event_id uuid not null,
    camera_id bigint not null constraint fk_crossings_camera_id_cameras references cameras (id),
    epoch text not null,
    zone_id bigint not null constraint fk_crossings_zone_id_zones references zones (id),
    track_id bigint not null,
    kind text not null,
    direction text not null,
    cause text not null,
    ordinal integer not null,
    frame bigint not null,
    confirmed_at timestamptz not null,
    confidence real not null,
    x real not null,
    y real not null,
    undoes uuid,
    undoes_at timestamptz,
    dwell_s double precision,
    model text not null default '',
    constraint pk_crossings primary key (occurred_at, id),
    constraint uq_crossings_event_id_occurred_at unique (event_id, occurred_at),
    constraint fk_crossings_camera_id_epoch_streams
        foreign key (camera_id, epoch) references streams (camera_id, epoch),
    constraint ck_crossings_kind check (kind in ('line', 'zone')),
    constraint ck_crossings_direction check (direction in ('in', 'out')),
    constraint ck_crossings_cause check (cause in ('crossed', 'appeared', 'lost')),
    constraint ck_crossings_undoes check ((undoes is null) = (undoes_at is null))
) partition by range (occurred_at);
create index ix_crossings_camera_id_occurred_at on crossings (camera_id, occurred_at);
create index ix_crossings_zone_id_occurred_at on crossings (zone_id, occurred_at);
create index ix_crossings_camera_id_epoch on crossings (camera_id, epoch);
create table crossings_default partition of crossings default;

create table counting_results (
    bucket timestamptz not null,
    id bigint generated always as identity,
    camera_id bigint not null constraint fk_counting_results_camera_id_cameras references cameras (id),
    zone_id bigint not null constraint fk_counting_results_zone_id_zones references zones (id),
    count_in bigint not null default 0,
    count_out bigint not null default 0,
    effective_in bigint not null default 0,
    effective_out bigint not null default 0,
    appeared bigint not null default 0,
    lost bigint not null default 0,
    dwell_s double precision not null default 0,
    constraint pk_counting_results primary key (bucket, id),
    constraint uq_counting_results_zone_id_bucket unique (zone_id, bucket),
    constraint ck_counting_results_counts check (count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0)
) partition by range (bucket);
create index ix_counting_results_camera_id_bucket on counting_results (camera_id, bucket);
create table counting_results_default partition of counting_results default;

create table zone_totals (
    zone_id bigint constraint pk_zone_totals primary key constraint fk_zone_totals_zone_id_zones references zones (id),
    revision bigint not null default 0,
    count_in bigint not null default 0,
    count_out bigint not null default 0,
    effective_in bigint not null default 0,
    effective_out bigint not null default 0,
    appeared bigint not null default 0,
    lost bigint not null default 0,
    dwell_s double precision not null default 0,
    occupancy_base bigint not null default 0,
    constraint ck_zone_totals_counts check (count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0)
) with (fillfactor = 50);
"""

NEWS = """
create table camera_events (
    timestamp timestamptz not null,
    id bigint generated always as identity,
    event_id uuid not null,
    camera_id bigint not null constraint fk_camera_events_camera_id_cameras references cameras (id),
    event_type text not null,
    data jsonb not null default '{}',
    constraint pk_camera_events primary key (timestamp, id),
    constraint uq_camera_events_event_id_timestamp unique (event_id, timestamp)
) partition by range (timestamp);
create index ix_camera_events_camera_id_timestamp on camera_events (camera_id, timestamp);
create table camera_events_default partition of camera_events default;

create table outbox (
    id bigint generated always as identity constraint pk_outbox primary key,
    event_id uuid not null,
    routing_key text not null,
    body jsonb not null,
    created_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""


def upgrade() -> None:
    for statements in (CAMERAS, STREAMS, COUNTS, NEWS):
        op.execute(statements)


def downgrade() -> None:
    op.execute(
        "drop table outbox, camera_events, zone_totals, counting_results, crossings, coverage, streams, leases, zones,"
        " cameras"
    )
