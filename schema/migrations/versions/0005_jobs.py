"""Jobs, and an outbox for more than one exchange.

The previous release's relay publishes every message to the events exchange, where nobody listens for jobs: those are
told again when nobody has taken them up.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JOBS = """
create table jobs (
    id bigint generated always as identity constraint pk_jobs primary key,
    kind text not null,
    arguments jsonb not null default '{}',
    state text not null default 'queued',
    progress real not null default 0,
    message text not null default '',
    result jsonb,
    error text,
    attempts integer not null default 0,
    retries integer not null default 0,
    key text,
    requested_by bigint,
    holder text,
    lease_epoch bigint not null default 0,
    lease_expires_at timestamptz,
    created_at timestamptz not null default now(),
    available_at timestamptz not null default now(),
    told_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1),
    constraint fk_jobs_tenant_id_tenants foreign key (tenant_id) references tenants (id),
    constraint fk_jobs_tenant_id_requested_by_users
        foreign key (tenant_id, requested_by) references users (tenant_id, id),
    constraint ck_jobs_kind check (kind in ('backfill', 'export', 'archive', 'erase', 'rollup', 'collect')),
    constraint ck_jobs_state check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    constraint ck_jobs_progress check (progress between 0 and 1),
    constraint ck_jobs_attempts check (attempts >= 0 and retries >= 0 and lease_epoch >= 0),
    constraint ck_jobs_held check (state <> 'running' or (holder is not null and lease_expires_at is not null)),
    constraint ck_jobs_finished check ((finished_at is null) = (state in ('queued', 'running')))
) with (fillfactor = 70);
create index ix_jobs_tenant_id_id on jobs (tenant_id, id);
create index ix_jobs_tenant_id_requested_by on jobs (tenant_id, requested_by) where requested_by is not null;
create unique index uq_jobs_tenant_id_key on jobs (tenant_id, key) where key is not null;
create index ix_jobs_open on jobs (kind, id) where state in ('queued', 'running');
create index ix_jobs_finished_at on jobs (finished_at) where finished_at is not null;
select guard_tenant('jobs');
select let_system('jobs', 'select, insert, update, delete');
"""

# What waits in the outbox waits for a moment: there is next to nothing to scan.
OUTBOX = """
alter table outbox add column exchange text not null default 'turnstile.events';
alter table outbox add constraint ck_outbox_exchange
    check (exchange in ('turnstile.events', 'turnstile.jobs', 'turnstile.alerts')) not valid;
-- squawk-ignore constraint-missing-not-valid
alter table outbox validate constraint ck_outbox_exchange;
-- squawk-ignore require-concurrent-index-creation
create index ix_outbox_exchange on outbox (exchange) where exchange <> 'turnstile.events';
grant insert on outbox to turnstile_system;
"""


def upgrade() -> None:
    op.execute(JOBS)
    op.execute(OUTBOX)


def downgrade() -> None:
    op.execute("revoke insert on outbox from turnstile_system")
    op.execute("delete from outbox where exchange <> 'turnstile.events'")
    op.execute("alter table outbox drop column exchange")
    op.execute("drop table jobs")
