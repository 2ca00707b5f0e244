"""A database with enough rows in every large table that PostgreSQL's plans are those of a busy system.

Fifty cameras of two tenants (four fifths are of the first), three rules each, retired ones besides: a week of buckets,
two months of crossings, a year of packed days and roll-ups.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

CAMERAS = 50
TENANT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Values of the first tenant to ask with; times are in ns."""

    dsn: str
    now_ns: int
    camera_id: int = 7
    camera: str = "camera-7"
    rule_id: int = 21
    user_id: int = 6
    event_id: UUID
    occurred_ns: int
    session_id: int
    token: str = "token-6"
    job_id: int
    alert_id: int

    def ago_ns(self, **span: float) -> int:
        """Some time before now."""
        return self.now_ns - int(timedelta(**span).total_seconds() * 1e9)


# In the order of references, though they are not checked while this is loaded.
_ROWS = """
insert into tenants (name) values ('other');
insert into cameras (tenant_id, name, source, status)
    select case when i <= 40 then 1 else 2 end, 'camera-' || i, 'rtsp://camera/' || i, 'connected'
    from generate_series(1, 50) i;
insert into zones (tenant_id, camera_id, name, type, coordinates, version, u_turn_s, retired_at)
    select c.tenant_id, c.id, 'rule-' || r, 'line', '[[0,0],[1,1]]', v, 2, case when v = 1 then now() end
    from generate_series(2, 1, -1) v, cameras c, generate_series(1, 3) r order by v desc, c.id, r;
insert into leases (tenant_id, camera_id, holder, epoch, granted_at, expires_at)
    select tenant_id, id, 'worker-0', 1, now(), now() + interval '1 day' from cameras;
insert into streams (tenant_id, camera_id, epoch, started_at, is_file, finished)
    select c.tenant_id, c.id, 'e' || i, now() - i * interval '1 day', i % 10 = 0, true
    from cameras c, generate_series(1, 60) i;
insert into coverage (tenant_id, camera_id, epoch, from_at, to_at)
    select c.tenant_id, c.id, 'e' || i % 60 + 1, now() - i * interval '4 hours', now() - (i - 1) * interval '4 hours'
    from cameras c, generate_series(1, 360) i;
insert into crossings (tenant_id, occurred_at, event_id, camera_id, epoch, zone_id, track_id, kind, direction, cause,
        ordinal, frame, confirmed_at, confidence, x, y)
    select z.tenant_id, now() - i * interval '78 seconds', gen_random_uuid(), z.camera_id, 'e1', z.id, i, 'line',
        case i % 2 when 0 then 'in' else 'out' end, 'crossed', 0, i, now() - i * interval '78 seconds', 0.9, 0.5, 0.5
    from generate_series(1, 60000) i join zones z on z.id = i * 7 % 150 + 1;
insert into counting_results (tenant_id, bucket, camera_id, zone_id, count_in)
    select z.tenant_id, at, z.camera_id, z.id, 1 from zones z,
        generate_series(date_trunc('day', now(), 'UTC') - interval '6 days', now(), interval '30 minutes') at
    where z.retired_at is null;
insert into zone_totals (tenant_id, zone_id, count_in) select tenant_id, id, 100 from zones;
insert into camera_events (tenant_id, timestamp, event_id, camera_id, event_type)
    select c.tenant_id, now() - i * interval '3 hours', gen_random_uuid(), c.id, 'lost'
    from cameras c, generate_series(1, 240) i;
insert into outbox (tenant_id, event_id, routing_key, body)
    select 1, gen_random_uuid(), 'crossing.1.1', '{}' from generate_series(1, 200);
insert into outbox_crossings (tenant_id, event_ids, first_at, last_at)
    select 1, array[gen_random_uuid()], now(), now() from generate_series(1, 200);
insert into users (tenant_id, username, email_sealed, email_index)
    select case when i % 5 > 0 then 1 else 2 end, 'user-' || i, 'x', sha256(i::text::bytea)
    from generate_series(1, 3000) i;
insert into user_sessions (tenant_id, user_id, token_hash, created_at, expires_at, last_seen_at)
    select u.tenant_id, u.id, sha256(('token-' || case s when 1 then '' else s || '-' end || u.id)::bytea),
        now() - s * interval '9 hours', now() + (3 - s) * interval '9 hours', now()
    from users u, generate_series(1, 4) s;
insert into ai_models (name, version, status, activated_at)
    select 'yolo', i::text, case i when 1 then 'active' else 'retired' end::model_status, now()
    from generate_series(1, 30) i;
insert into model_logs (timestamp, model_id, log_type, message)
    select now() - i * interval '1 hour', i % 30 + 1, 'activated', 'x' from generate_series(1, 6000) i;
insert into alerts (tenant_id, type, severity, message, timestamp, resolved_at, camera_id, zone_id, acknowledged_at,
        acknowledged_by)
    select z.tenant_id, 'camera_offline', 'warning', 'x', at, case when i > 50 then at + interval '1 hour' end,
        z.camera_id, case when i % 2 = 0 or i <= 50 then z.id end, case when i % 4 = 0 then at end,
        case when i % 4 = 0 then i % 3000 + 1 end
    from generate_series(1, 8000) i join zones z on z.id = i % 150 + 1,
        lateral (select now() - i * interval '1 hour' as at) moment;
insert into files (tenant_id, kind, filename, path, size, mime_type, sha256, created_at, expires_at)
    select case when i % 5 > 0 then 1 else 2 end, case i % 50 when 0 then 'export' else 'evidence' end, 'f',
        'evidence/' || i, 1, 'image/jpeg', encode(sha256(i::text::bytea), 'hex'), now() - i * interval '1 minute',
        case i % 50 when 0 then now() + i * interval '1 minute' end
    from generate_series(1, 20000) i;
insert into evidence (tenant_id, event_id, occurred_at, camera_id, zone_id, file_id, model, seen_at, box, trajectory,
        created_at)
    select f.tenant_id, gen_random_uuid(), f.created_at, z.camera_id, z.id, f.id, 'm', f.created_at, '{0,0,1,1}', '[]',
        f.created_at
    from files f join zones z on z.id = f.id % 150 + 1 where f.kind = 'evidence';
insert into jobs (tenant_id, kind, state, requested_by, key, created_at, finished_at)
    select case when i % 5 > 0 then 1 else 2 end, 'export', case when i > 20 then 'done' else 'queued' end,
        case when i % 3 = 0 then i % 3000 + 1 end, case when i % 3 = 1 then 'key-' || i end,
        now() - i * interval '1 hour', case when i > 20 then now() - i * interval '1 hour' end
    from generate_series(1, 8000) i;
insert into packed_days (tenant_id, zone_id, day, camera_id, first_minute, minutes, checksum)
    select z.tenant_id, z.id, current_date - i, z.camera_id, 0, 1440, 1
    from zones z, generate_series(8, 300) i where z.retired_at is null;
insert into archives (tenant_id, kind, tier, first_day, state, path, row_count, checksum, size, row_groups, from_at,
        to_at, switched_at)
    select t, 'crossings', 'cold', date '2020-01-01' + i * 7, case when i % 3 = 0 then 'obsolete' else 'current' end,
        t || '/' || i, 1, 1, 1, '[]', now(), now(), now()
    from generate_series(1, 2) t, generate_series(1, 300) i;
insert into analytics (tenant_id, period, timestamp, camera_id, zone_id, count_in, stale)
    select z.tenant_id, p::analytics_period, date_trunc('day', now(), 'UTC') - i * interval '1 day', z.camera_id, z.id,
        1, i = 0
    from zones z, generate_series(0, 250) i, unnest(array['hour', 'day']) p where z.retired_at is null;
insert into analytics (tenant_id, period, timestamp, camera_id, zone_id, count_in, stale)
    select z.tenant_id, 'month', date_trunc('month', now(), 'UTC') - i * interval '1 month', z.camera_id, z.id, 1, false
    from zones z, generate_series(0, 8) i where z.retired_at is null;
"""

_TRAIL = """
insert into audit_logs (timestamp, tenant_id, position, table_name, action, program, login, previous_hash, hash)
    select now() - (20000 - i) * interval '3 minutes', 1, i, 'cameras', 'update', 'test', 'test', '', ''
    from generate_series(1, 20000) i;
"""


def fill(dsn: str) -> Sample:
    """Load the rows, make their partitions, and let PostgreSQL count them."""
    now = datetime.now(tz=UTC)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'")
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        for back in range(7):
            first = midnight - timedelta(days=back)
            connection.execute(
                "select ensure_partition('counting_results', %s, %s)", [first, first + timedelta(days=1)]
            )
        month = midnight.replace(day=1)
        for _ in range(3):
            following = (month + timedelta(days=32)).replace(day=1)
            for table in ("crossings", "camera_events", "model_logs", "audit_logs"):
                connection.execute("select ensure_partition(%s, %s, %s)", [table, month, following])
            month = (month - timedelta(days=1)).replace(day=1)
        # Triggers and foreign keys rest meanwhile: they are not what is looked at.
        connection.execute("set session_replication_role = replica")
        connection.execute(_ROWS + _TRAIL)
        connection.execute("analyze")

        def one(query: str) -> object:
            row = connection.execute(query).fetchone()
            assert row is not None
            return row[0]

        newest = "from crossings where camera_id = 7 order by occurred_at desc"
        return Sample(
            dsn=dsn,
            now_ns=int(now.timestamp()) * 10**9,
            event_id=UUID(str(one(f"select event_id {newest}"))),
            occurred_ns=int(str(one(f"select (extract(epoch from occurred_at) * 1000000)::bigint {newest}"))) * 1000,
            session_id=int(str(one("select id from user_sessions where user_id = 6 order by id"))),
            job_id=int(str(one("select id from jobs where tenant_id = 1 and state = 'queued' order by id"))),
            alert_id=int(str(one("select id from alerts where camera_id = 7 order by id"))),
        )
