"""Roll-ups.

What was counted before has its day rows at once; hours and months follow as the roll-up finds the days stale.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLE = """
create type analytics_period as enum ('hour', 'day', 'month');
create table analytics (
    period analytics_period not null,
    "timestamp" timestamptz not null,
    id bigint generated always as identity,
    type text not null default 'counts',
    camera_id bigint not null,
    zone_id bigint not null,
    count_in bigint not null default 0,
    count_out bigint not null default 0,
    effective_in bigint not null default 0,
    effective_out bigint not null default 0,
    appeared bigint not null default 0,
    lost bigint not null default 0,
    dwell_s double precision not null default 0,
    covered_s double precision,
    revision bigint not null default 0,
    stale boolean not null default true,
    data jsonb not null default '{}',
    hourly_in integer[],
    hourly_out integer[],
    hourly_effective_in integer[],
    hourly_effective_out integer[],
    hourly_appeared integer[],
    hourly_lost integer[],
    hourly_dwell_s double precision[],
    hourly_covered_s double precision[],
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1),
    constraint pk_analytics primary key (period, "timestamp", id),
    constraint uq_analytics_zone_id_type_period_timestamp unique (zone_id, type, period, "timestamp"),
    constraint fk_analytics_tenant_id_camera_id_zone_id_zones
        foreign key (tenant_id, camera_id, zone_id) references zones (tenant_id, camera_id, id),
    constraint ck_analytics_type check (type in ('counts')),
    constraint ck_analytics_counts check (count_in >= 0 and count_out >= 0 and appeared >= 0 and lost >= 0),
    constraint ck_analytics_hours check (period = 'hour' or num_nonnulls(hourly_in, hourly_out, hourly_effective_in,
        hourly_effective_out, hourly_appeared, hourly_lost, hourly_dwell_s, hourly_covered_s) = 0)
) partition by list (period);
create index ix_analytics_camera_id_period_timestamp on analytics (camera_id, period, "timestamp");
create index ix_analytics_stale on analytics ("timestamp") where stale;
"""

# Times that get no partition of their own find room in the default ones. Days have room to grow in their pages, because
# every crossing adds to one.
PARTITIONS = """
create table analytics_hour partition of analytics for values in ('hour') partition by range ("timestamp");
create table analytics_day partition of analytics for values in ('day') partition by range ("timestamp");
create table analytics_month partition of analytics for values in ('month') partition by range ("timestamp");
create table analytics_hour_default partition of analytics_hour default;
create table analytics_day_default partition of analytics_day default with (fillfactor = 50);
create table analytics_month_default partition of analytics_month default;
do $$ declare year integer; kind text; begin
    for year in
        select extract(year from bucket at time zone 'UTC') from counting_results
        where bucket >= timestamptz '2000-01-01 UTC' and bucket < timestamptz '2100-01-01 UTC'
        union select extract(year from now() at time zone 'UTC') + ahead from generate_series(0, 1) as ahead
    loop
        foreach kind in array array['analytics_hour', 'analytics_day'] loop
            execute format('create table %I partition of %I for values from (%L) to (%L) with (fillfactor = %s)',
                kind || '_' || year, kind, make_timestamptz(year, 1, 1, 0, 0, 0, 'UTC'),
                make_timestamptz(year + 1, 1, 1, 0, 0, 0, 'UTC'), case kind when 'analytics_day' then 50 else 100 end);
        end loop;
    end loop;
end $$;
select guard_tenant('analytics', true), let_system('analytics', 'select');
"""

DAYS = """
insert into analytics (tenant_id, period, "timestamp", camera_id, zone_id, count_in, count_out, effective_in,
    effective_out, appeared, lost, dwell_s, revision)
select tenant_id, 'day', date_trunc('day', bucket, 'UTC'), camera_id, zone_id, sum(count_in), sum(count_out),
    sum(effective_in), sum(effective_out), sum(appeared), sum(lost), sum(dwell_s), 1
from counts_all
group by tenant_id, camera_id, zone_id, date_trunc('day', bucket, 'UTC')
"""

# The previous release stores minutes without their day. It names no tenant, which tells its minutes from ours; when
# nobody runs it any more, this may go.
PREVIOUS = """
create function count_in_day() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into analytics as day (tenant_id, period, "timestamp", camera_id, zone_id, count_in, count_out,
        effective_in, effective_out, appeared, lost, dwell_s, revision)
    values (new.tenant_id, 'day', date_trunc('day', new.bucket, 'UTC'), new.camera_id, new.zone_id,
        new.count_in - coalesce(old.count_in, 0), new.count_out - coalesce(old.count_out, 0),
        new.effective_in - coalesce(old.effective_in, 0), new.effective_out - coalesce(old.effective_out, 0),
        new.appeared - coalesce(old.appeared, 0), new.lost - coalesce(old.lost, 0),
        new.dwell_s - coalesce(old.dwell_s, 0), 1)
    on conflict (zone_id, type, period, "timestamp") do update set revision = day.revision + 1, stale = true,
        count_in = day.count_in + excluded.count_in, count_out = day.count_out + excluded.count_out,
        effective_in = day.effective_in + excluded.effective_in,
        effective_out = day.effective_out + excluded.effective_out,
        appeared = day.appeared + excluded.appeared, lost = day.lost + excluded.lost,
        dwell_s = day.dwell_s + excluded.dwell_s;
    return null;
end $$;
create trigger count_in_day after insert or update on counting_results for each row
    when (nullif(current_setting('app.tenant', true), '') is null) execute function count_in_day();
"""

# Everything here can be computed again from the minutes that are in the database.
BACK = """
do $$ begin
    if exists (select from archives where kind = 'counting_results' and state = 'current') then
        raise exception 'archive files hold minutes whose roll-ups could not be computed again: keep this version';
    end if;
end $$;
drop trigger count_in_day on counting_results;
drop function count_in_day;
drop table analytics;
drop type analytics_period;
"""


def upgrade() -> None:
    for statements in (TABLE, PARTITIONS, DAYS, PREVIOUS):
        op.execute(statements)


def downgrade() -> None:
    op.execute(BACK)
