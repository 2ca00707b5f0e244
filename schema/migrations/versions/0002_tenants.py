"""Tenants, partitions by camera, and who may see what.

The previous release keeps running: its rows get the default tenant, and it adds to minutes by the name of their
constraint, which stays.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from schema.migrations import partition_functions

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

FUNCTIONS = """
create function guard_tenant(name text, analysts boolean default false) returns void language plpgsql as $$
begin
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy owner on %I to turnstile_migrator using (true) with check (true)', name);
    execute format('create policy tenant on %I to turnstile_app, turnstile_analyst, turnstile_auditor'
        ' using (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::bigint)'
        ' with check (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::bigint)', name);
    execute format('grant select, insert, update, delete on %I to turnstile_app', name);
    if analysts then
        execute format('grant select on %I to turnstile_analyst', name);
    end if;
end $$;

create function let_system(name text, privileges text) returns void language plpgsql as $$
begin
    execute format('create policy system on %I to turnstile_system using (true) with check (true)', name);
    execute format('grant %s on %I to turnstile_system', privileges, name);
end $$;
revoke execute on function guard_tenant, let_system from public;
"""

TENANTS = """
create table tenants (
    id bigint generated always as identity constraint pk_tenants primary key,
    name text not null,
    hot_days integer not null default 30,
    warm_days integer not null default 365,
    cold_days integer not null default 1825,
    evidence_days integer not null default 14,
    created_at timestamptz not null default now(),
    constraint uq_tenants_name unique (name),
    constraint ck_tenants_retention check (
        hot_days >= 1 and warm_days >= hot_days and cold_days >= warm_days and evidence_days >= 1)
);
insert into tenants (name) values ('default');
alter table tenants enable row level security;
alter table tenants force row level security;
create policy owner on tenants to turnstile_migrator using (true) with check (true);
create policy tenant on tenants to turnstile_app, turnstile_analyst, turnstile_auditor
    using (id = nullif(current_setting('app.tenant', true), '')::bigint);
grant select on tenants to turnstile_app, turnstile_analyst, turnstile_auditor;
select let_system('tenants', 'select');
"""

TENANT_TABLES = (
    "cameras",
    "zones",
    "leases",
    "streams",
    "coverage",
    "crossings",
    "counting_results",
    "zone_totals",
    "camera_events",
    "outbox",
)

# Evaluated once for the rows that are there, which then need no rewrite. Whoever names no tenant is of the first one,
# as the previous release is; under row security such a row is refused.
COLUMN = (
    "alter table {} add column tenant_id bigint not null"
    " default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1)"
)

KEYS = """
alter table cameras
    add constraint uq_cameras_tenant_id_id unique (tenant_id, id),
    add constraint fk_cameras_tenant_id_tenants foreign key (tenant_id) references tenants (id);
drop index uq_cameras_name;
create unique index uq_cameras_name on cameras (tenant_id, name) where removed_at is null;
alter table zones
    add constraint uq_zones_tenant_id_id unique (tenant_id, id),
    add constraint uq_zones_tenant_id_camera_id_id unique (tenant_id, camera_id, id),
    drop constraint fk_zones_camera_id_cameras,
    add constraint fk_zones_tenant_id_camera_id_cameras
        foreign key (tenant_id, camera_id) references cameras (tenant_id, id);
alter table leases
    drop constraint fk_leases_camera_id_cameras,
    add constraint fk_leases_tenant_id_camera_id_cameras
        foreign key (tenant_id, camera_id) references cameras (tenant_id, id);
alter table streams
    drop constraint fk_streams_camera_id_cameras,
    add constraint fk_streams_tenant_id_camera_id_cameras
        foreign key (tenant_id, camera_id) references cameras (tenant_id, id);
alter table coverage
    add constraint fk_coverage_tenant_id_camera_id_cameras
        foreign key (tenant_id, camera_id) references cameras (tenant_id, id);
alter table crossings
    drop constraint fk_crossings_camera_id_cameras,
    drop constraint fk_crossings_zone_id_zones,
    drop constraint fk_crossings_camera_id_epoch_streams;
alter table zone_totals
    drop constraint fk_zone_totals_zone_id_zones,
    add constraint fk_zone_totals_tenant_id_zone_id_zones
        foreign key (tenant_id, zone_id) references zones (tenant_id, id);
alter table camera_events
    drop constraint fk_camera_events_camera_id_cameras,
    add constraint fk_camera_events_tenant_id_camera_id_cameras
        foreign key (tenant_id, camera_id) references cameras (tenant_id, id);
"""

RESULTS = """
create table counting_results (
    bucket timestamptz not null,
    id bigint generated always as identity,
    camera_id bigint not null,
    zone_id bigint not null,
    count_in bigint not null default 0,
    count_out bigint not null default 0,
    effective_in bigint not null default 0,
    effective_out bigint not null default 0,
    appeared bigint not null default 0,
    lost bigint not null default 0,
    dwell_s double precision not null default 0
) partition by range (bucket)
"""

# The months that are there become partitions of the new table as they are; days are divided by camera from now on.
OLD_RESULTS = """
alter table counting_results rename to counting_results_by_month;
alter index pk_counting_results rename to pk_counting_results_by_month;
alter table counting_results_by_month
    drop constraint uq_counting_results_zone_id_bucket,
    drop constraint ck_counting_results_counts,
    drop constraint fk_counting_results_camera_id_cameras,
    drop constraint fk_counting_results_zone_id_zones;
drop index ix_counting_results_camera_id_bucket;
"""
ATTACH = """
do $$ declare part record; begin
    for part in
        select c.oid::regclass as name, pg_get_expr(c.relpartbound, c.oid) as bound
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'counting_results_by_month'::regclass
    loop
        execute format('alter table counting_results_by_month detach partition %s', part.name);
        execute format('alter table %s drop constraint %I', part.name,
            (select conname from pg_constraint where conrelid = part.name and contype = 'p'));
        execute format('alter table counting_results attach partition %s %s', part.name, part.bound);
    end loop;
    perform setval(pg_get_serial_sequence('counting_results', 'id'), nextval(
        pg_get_serial_sequence('counting_results_by_month', 'id')));
end $$;
drop table counting_results_by_month;
alter table counting_results
    add constraint pk_counting_results primary key (bucket, camera_id, id),
    add constraint uq_counting_results_zone_id_bucket unique (zone_id, bucket, camera_id),
    add constraint ck_counting_results_counts
        check (count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0),
    add constraint fk_counting_results_tenant_id_camera_id_zone_id_zones
        foreign key (tenant_id, camera_id, zone_id) references zones (tenant_id, camera_id, id);
create index ix_counting_results_camera_id_bucket on counting_results (camera_id, bucket);
"""

# Thousands of crossings come in one statement and name a few hundred zones and streams. Looking each of these up once,
# instead of twice a crossing as foreign keys do, saves a third of the time of storing them. Nothing reads by the two
# indexes. Zones with counts cannot be deleted, because counts have their foreign keys.
LEANER = """
create function check_crossings() returns trigger language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    if exists (select from (select distinct tenant_id, camera_id, zone_id from fresh) f left join zones z
               on z.tenant_id = f.tenant_id and z.camera_id = f.camera_id and z.id = f.zone_id where z.id is null) then
        raise foreign_key_violation using message = 'a crossing names a line or zone that its camera does not have';
    end if;
    if exists (select from (select distinct camera_id, epoch from fresh) f left join streams s
               on s.camera_id = f.camera_id and s.epoch = f.epoch where s.epoch is null) then
        raise foreign_key_violation using message = 'a crossing names a stream that its camera does not have';
    end if;
    return null;
end $$;
create trigger check_crossings after insert on crossings
    referencing new table as fresh for each statement execute function check_crossings();
drop index ix_crossings_camera_id_epoch;
drop index ix_crossings_zone_id_occurred_at;
create table outbox_crossings (
    id bigint generated always as identity constraint pk_outbox_crossings primary key,
    event_ids uuid[] not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    created_at timestamptz not null default now(),
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1),
    constraint ck_outbox_crossings_forward check (last_at >= first_at)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
select guard_tenant('outbox_crossings'), let_system('outbox_crossings', 'select, update, delete');
"""

GRANTS = """
grant select on zones, streams, coverage, crossings, counting_results, zone_totals, camera_events to turnstile_analyst;
grant select (id, tenant_id, name, friendly_name, status, status_at, enabled, playback, created_at, removed_at)
    on cameras to turnstile_analyst;
select let_system('cameras', 'select'), let_system('zones', 'select'), let_system('streams', 'select'),
    let_system('coverage', 'select'), let_system('zone_totals', 'select'), let_system('crossings', 'select'),
    let_system('leases', 'select, insert, update'), let_system('outbox', 'select, update, delete');
"""

REFERENCES = """
drop trigger check_crossings on crossings;
drop function check_crossings;
drop table outbox_crossings;
create index ix_crossings_zone_id_occurred_at on crossings (zone_id, occurred_at);
create index ix_crossings_camera_id_epoch on crossings (camera_id, epoch);
alter table crossings add constraint fk_crossings_camera_id_epoch_streams
    foreign key (camera_id, epoch) references streams (camera_id, epoch);
"""
RESULTS_BY_CAMERA = """
alter table counting_results rename to counting_results_by_camera;
alter index pk_counting_results rename to pk_counting_results_by_camera;
alter index uq_counting_results_zone_id_bucket rename to uq_counting_results_by_camera;
alter index ix_counting_results_camera_id_bucket rename to ix_counting_results_by_camera;
alter table counting_results_default rename to counting_results_by_camera_default;
"""
COPY_BACK = """
create table counting_results_default partition of counting_results default;
insert into counting_results (bucket, camera_id, zone_id, count_in, count_out, effective_in, effective_out, appeared,
    lost, dwell_s)
select bucket, camera_id, zone_id, count_in, count_out, effective_in, effective_out, appeared, lost, dwell_s
from counting_results_by_camera;
drop table counting_results_by_camera;
alter table counting_results
    add constraint pk_counting_results primary key (bucket, id),
    add constraint uq_counting_results_zone_id_bucket unique (zone_id, bucket),
    add constraint ck_counting_results_counts
        check (count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0),
    add constraint fk_counting_results_camera_id_cameras foreign key (camera_id) references cameras (id),
    add constraint fk_counting_results_zone_id_zones foreign key (zone_id) references zones (id);
create index ix_counting_results_camera_id_bucket on counting_results (camera_id, bucket);
"""

OLD_KEYS = """
alter table camera_events drop constraint fk_camera_events_tenant_id_camera_id_cameras,
    add constraint fk_camera_events_camera_id_cameras foreign key (camera_id) references cameras (id);
alter table zone_totals drop constraint fk_zone_totals_tenant_id_zone_id_zones,
    add constraint fk_zone_totals_zone_id_zones foreign key (zone_id) references zones (id);
alter table crossings
    add constraint fk_crossings_camera_id_cameras foreign key (camera_id) references cameras (id),
    add constraint fk_crossings_zone_id_zones foreign key (zone_id) references zones (id);
alter table coverage drop constraint fk_coverage_tenant_id_camera_id_cameras;
alter table streams drop constraint fk_streams_tenant_id_camera_id_cameras,
    add constraint fk_streams_camera_id_cameras foreign key (camera_id) references cameras (id);
alter table leases drop constraint fk_leases_tenant_id_camera_id_cameras,
    add constraint fk_leases_camera_id_cameras foreign key (camera_id) references cameras (id);
alter table zones drop constraint fk_zones_tenant_id_camera_id_cameras,
    drop constraint uq_zones_tenant_id_id, drop constraint uq_zones_tenant_id_camera_id_id,
    add constraint fk_zones_camera_id_cameras foreign key (camera_id) references cameras (id);
drop index uq_cameras_name;
create unique index uq_cameras_name on cameras (name) where removed_at is null;
alter table cameras drop constraint fk_cameras_tenant_id_tenants, drop constraint uq_cameras_tenant_id_id;
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.execute(partition_functions.MAKE)
    op.execute(TENANTS)
    for table in TENANT_TABLES:
        op.execute(COLUMN.format(table))
    op.execute(KEYS)
    op.execute(LEANER)
    for step in (OLD_RESULTS, RESULTS, COLUMN.format("counting_results"), ATTACH):
        op.execute(step)
    for table in TENANT_TABLES:
        op.execute(f"select guard_tenant('{table}')")
    op.execute(GRANTS)


def downgrade() -> None:
    """One database, one tenant again: with more than one this stops at the first camera name that two of them use."""
    op.execute(REFERENCES)
    op.execute(RESULTS_BY_CAMERA)
    op.execute(RESULTS)
    op.execute(COPY_BACK)
    for table in TENANT_TABLES:
        if table != "counting_results":
            op.execute(f"drop policy tenant on {table}; drop policy owner on {table}")
            op.execute(f"drop policy if exists system on {table}")
            op.execute(f"alter table {table} no force row level security, disable row level security")
            op.execute(f"revoke all on {table} from turnstile_app, turnstile_system, turnstile_analyst")
    op.execute(OLD_KEYS)
    for table in TENANT_TABLES:
        if table != "counting_results":
            op.execute(f"alter table {table} drop column tenant_id")
    op.execute("drop table tenants; drop function guard_tenant, let_system")
    op.execute(partition_functions.DROP)
