"""Packed days and archives.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
create table packed_days (
    zone_id bigint not null,
    day date not null,
    camera_id bigint not null,
    first_minute smallint not null,
    minutes smallint not null,
    checksum bigint not null,
    count_in bigint[] compression pglz,
    count_out bigint[] compression pglz,
    undone_in bigint[] compression pglz,
    undone_out bigint[] compression pglz,
    appeared bigint[] compression pglz,
    lost bigint[] compression pglz,
    dwell_ms bigint[] compression pglz,
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1),
    constraint pk_packed_days primary key (zone_id, day),
    constraint fk_packed_days_tenant_id_camera_id_zone_id_zones
        foreign key (tenant_id, camera_id, zone_id) references zones (tenant_id, camera_id, id),
    constraint ck_packed_days_minutes check (first_minute >= 0 and minutes >= 1 and first_minute + minutes <= 1440)
);
create index ix_packed_days_camera_id_day on packed_days (camera_id, day);

create table archives (
    id bigint generated always as identity constraint pk_archives primary key,
    kind text not null,
    tier text not null,
    first_day date not null,
    state text not null default 'writing',
    path text not null,
    row_count bigint,
    checksum bigint,
    size bigint,
    row_groups jsonb,
    from_at timestamptz,
    to_at timestamptz,
    created_at timestamptz not null default now(),
    switched_at timestamptz,
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1),
    constraint uq_archives_path unique (path),
    constraint fk_archives_tenant_id_tenants foreign key (tenant_id) references tenants (id),
    constraint ck_archives_kind check (kind in ('counting_results', 'crossings', 'camera_events', 'coverage')),
    constraint ck_archives_tier check (tier in ('cold', 'historical')),
    constraint ck_archives_state check (state in ('writing', 'current', 'obsolete')),
    constraint ck_archives_complete check (
        state <> 'current' or num_nulls(row_count, checksum, size, row_groups, from_at, to_at, switched_at) = 0)
);
create index ix_archives_tenant_id_state on archives (tenant_id, state);
create unique index uq_archives_current on archives (tenant_id, kind, tier, first_day) where state = 'current';
select guard_tenant('packed_days', true), guard_tenant('archives', true);
"""

# The rights of whoever reads a view are his own: row security holds through it.
VIEWS = """
create view packed_minutes with (security_invoker = true) as
select tenant_id, camera_id, zone_id, day,
    (day::timestamp at time zone 'UTC') + make_interval(mins => (first_minute + place - 1)::integer) as bucket,
    count_in, count_out, undone_in, undone_out, appeared, lost, dwell_ms
from (
    select p.tenant_id, p.camera_id, p.zone_id, p.day, p.first_minute, n.place,
        coalesce(n.count_in, 0) as count_in, coalesce(n.count_out, 0) as count_out,
        coalesce(n.undone_in, 0) as undone_in, coalesce(n.undone_out, 0) as undone_out,
        coalesce(n.appeared, 0) as appeared, coalesce(n.lost, 0) as lost, coalesce(n.dwell_ms, 0) as dwell_ms
    from packed_days p cross join lateral unnest(
        p.count_in, p.count_out, p.undone_in, p.undone_out, p.appeared, p.lost, p.dwell_ms
    ) with ordinality as n (count_in, count_out, undone_in, undone_out, appeared, lost, dwell_ms, place)
) unpacked
where count_in <> 0 or count_out <> 0 or undone_in <> 0 or undone_out <> 0 or appeared <> 0 or lost <> 0
    or dwell_ms <> 0;
comment on view packed_minutes is 'packed_days, a row a minute that counted something';

create view counts_all with (security_invoker = true) as
select tenant_id, camera_id, zone_id, (bucket at time zone 'UTC')::date as day, bucket, count_in, count_out,
    effective_in, effective_out, appeared, lost, dwell_s
from counting_results
union all
select tenant_id, camera_id, zone_id, day, bucket, count_in, count_out,
    count_in - undone_in, count_out - undone_out, appeared, lost, dwell_ms / 1000.0::double precision
from packed_minutes;
comment on view counts_all is
    'Counts of all minutes in the database. A minute may come in two rows, which add up: what came late, and what was'
    ' packed before. Ask by bucket and by day (the UTC day of the bucket): the one prunes the partitions of'
    ' counting_results, the other finds the packed days.';
grant select on packed_minutes, counts_all to turnstile_app, turnstile_analyst;
"""

# The tables' owner alone can drop a partition. This lets the program do it, and refuses what still holds a row or may
# get one: time that has not passed, the default partition, tables that do not age.
DROP = """
create function drop_passed_partition(parent text, partition text) returns text
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '300ms' as $$
declare
    holds_rows boolean;
    bound constant text := (
        select pg_get_expr(c.relpartbound, c.oid)
        from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
        where p.relname = parent and c.relname = partition
          and p.relnamespace = 'public'::regnamespace and c.relnamespace = 'public'::regnamespace);
    passed_at constant timestamptz := substring(bound from 'TO \\(''([^'']+)''\\)');
begin
    if parent not in ('counting_results', 'crossings', 'camera_events') then
        raise exception '% does not age', parent;
    end if;
    if bound is null then
        return 'gone';
    end if;
    if passed_at is null or passed_at > now() - interval '1 day' then
        return 'not passed';
    end if;
    -- Looked at before anybody has to wait for us, and once more when nobody can write any longer.
    execute format('select exists (select from public.%I)', partition) into holds_rows;
    if holds_rows then
        return 'holds rows';
    end if;
    execute format('lock table only public.%I in access exclusive mode', parent);
    execute format('select exists (select from public.%I)', partition) into holds_rows;
    if holds_rows then
        return 'holds rows';
    end if;
    execute format('drop table public.%I', partition);
    return 'dropped';
exception
    when lock_not_available then return 'in use';
end $$;
revoke execute on function drop_passed_partition from public;
grant execute on function drop_passed_partition to turnstile_app, turnstile_system;
"""


BACK_TO_ROWS = """
do $$ begin
    if exists (select from archives where state = 'current') then
        raise exception 'archive files hold rows that only the table archives can find: keep this version';
    end if;
end $$;
insert into counting_results (tenant_id, camera_id, zone_id, bucket, count_in, count_out, effective_in, effective_out,
    appeared, lost, dwell_s)
select tenant_id, camera_id, zone_id, bucket, count_in, count_out, count_in - undone_in, count_out - undone_out,
    appeared, lost, dwell_ms / 1000.0
from packed_minutes
on conflict on constraint uq_counting_results_zone_id_bucket do update set
    count_in = counting_results.count_in + excluded.count_in,
    count_out = counting_results.count_out + excluded.count_out,
    effective_in = counting_results.effective_in + excluded.effective_in,
    effective_out = counting_results.effective_out + excluded.effective_out,
    appeared = counting_results.appeared + excluded.appeared,
    lost = counting_results.lost + excluded.lost,
    dwell_s = counting_results.dwell_s + excluded.dwell_s;
drop function drop_passed_partition;
drop view counts_all, packed_minutes;
drop table archives, packed_days;
"""


def upgrade() -> None:
    for statements in (TABLES, VIEWS, DROP):
        op.execute(statements)


def downgrade() -> None:
    """Packed minutes become rows again. With archive files it refuses: nothing would say where their rows are."""
    op.execute(BACK_TO_ROWS)
