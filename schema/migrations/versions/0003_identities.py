"""People and their sessions, detection models and what happened to them, alerts.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

USERS = """
create type user_role as enum ('admin', 'operator', 'analyst', 'viewer', 'system_admin');
create table users (
    id bigint generated always as identity constraint pk_users primary key,
    username text not null,
    email_sealed bytea,
    email_index bytea,
    role user_role not null default 'viewer',
    password_hash text,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    last_login_at timestamptz,
    erased_at timestamptz,
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1)
        constraint fk_users_tenant_id_tenants references tenants (id),
    constraint uq_users_tenant_id_username unique (tenant_id, username),
    constraint uq_users_tenant_id_id unique (tenant_id, id),
    constraint ck_users_username check (length(username) between 1 and 128),
    constraint ck_users_email check ((email_sealed is null) = (email_index is null)),
    constraint ck_users_erased check (
        erased_at is null or (not is_active and email_sealed is null and password_hash is null))
);
create unique index uq_users_email on users (tenant_id, email_index) where email_index is not null;

create table user_sessions (
    id bigint generated always as identity constraint pk_user_sessions primary key,
    user_id bigint not null,
    token_hash bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    last_seen_at timestamptz not null,
    ip_address inet,
    user_agent text,
    revoked_at timestamptz,
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1),
    constraint uq_user_sessions_token_hash unique (token_hash),
    constraint ck_user_sessions_token_hash check (length(token_hash) = 32),
    constraint ck_user_sessions_expires_at check (expires_at > created_at),
    constraint fk_user_sessions_tenant_id_user_id_users
        foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index ix_user_sessions_user_id on user_sessions (user_id);
create index ix_user_sessions_expires_at on user_sessions (expires_at);

select guard_tenant('users'), guard_tenant('user_sessions');
-- Whoever shows a token has not said of which tenant he is: the system finds out, and sees no secret of his.
create policy system on users to turnstile_system using (true);
grant select (id, tenant_id, username, role, is_active) on users to turnstile_system;
select let_system('user_sessions', 'select, delete');
"""

MODELS = """
create type model_status as enum ('registered', 'active', 'retired');
create type model_log_type as enum ('activated', 'retired', 'refused', 'fallback');
create table ai_models (
    id bigint generated always as identity constraint pk_ai_models primary key,
    name text not null,
    version text not null,
    status model_status not null default 'registered',
    config jsonb not null default '{}',
    created_at timestamptz not null default now(),
    activated_at timestamptz,
    constraint uq_ai_models_name_version unique (name, version),
    constraint ck_ai_models_activated check (status = 'registered' or activated_at is not null)
);
create unique index uq_ai_models_active on ai_models (status) where status = 'active';

create table model_logs (
    timestamp timestamptz not null,
    id bigint generated always as identity,
    model_id bigint not null constraint fk_model_logs_model_id_ai_models references ai_models (id),
    log_type model_log_type not null,
    message text not null,
    constraint pk_model_logs primary key (timestamp, id)
) partition by range (timestamp);
create index ix_model_logs_model_id_timestamp on model_logs (model_id, timestamp);
create table model_logs_default partition of model_logs default;

grant select on ai_models, model_logs to turnstile_app, turnstile_analyst;
grant select, insert, update on ai_models to turnstile_system;
grant select, insert on model_logs to turnstile_system;
"""

ALERTS = """
create type alert_severity as enum ('critical', 'warning', 'info', 'debug');
create table alerts (
    id bigint generated always as identity constraint pk_alerts primary key,
    type text not null,
    severity alert_severity not null,
    message text not null,
    timestamp timestamptz not null,
    resolved boolean not null generated always as (resolved_at is not null) stored,
    resolved_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by bigint,
    camera_id bigint,
    zone_id bigint,
    data jsonb not null default '{}',
    tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1)
        constraint fk_alerts_tenant_id_tenants references tenants (id),
    constraint ck_alerts_resolved_at check (resolved_at >= timestamp),
    constraint ck_alerts_acknowledged check (acknowledged_by is null or acknowledged_at is not null),
    constraint ck_alerts_zone check (zone_id is null or camera_id is not null),
    constraint fk_alerts_tenant_id_camera_id_cameras
        foreign key (tenant_id, camera_id) references cameras (tenant_id, id),
    constraint fk_alerts_tenant_id_camera_id_zone_id_zones
        foreign key (tenant_id, camera_id, zone_id) references zones (tenant_id, camera_id, id),
    constraint fk_alerts_tenant_id_acknowledged_by_users
        foreign key (tenant_id, acknowledged_by) references users (tenant_id, id)
);
create unique index uq_alerts_open on alerts (tenant_id, type, camera_id, zone_id) nulls not distinct
    where resolved_at is null;
create index ix_alerts_tenant_id_timestamp on alerts (tenant_id, timestamp);
create index ix_alerts_camera_id on alerts (camera_id) where camera_id is not null;
create index ix_alerts_zone_id on alerts (zone_id) where zone_id is not null;
create index ix_alerts_acknowledged_by on alerts (acknowledged_by) where acknowledged_by is not null;
select guard_tenant('alerts'), let_system('alerts', 'select, insert, update');
"""


# Whoever logs in may ask which revision this is, also before he acts as one of the roles.
VERSION = "grant select on alembic_version to public"
# What happened stays as it was, so nothing can make it refer to another tenant's camera either.
IMMUTABLE = "revoke update on crossings, camera_events from turnstile_app"


def upgrade() -> None:
    for statements in (USERS, MODELS, ALERTS, VERSION, IMMUTABLE):
        op.execute(statements)


def downgrade() -> None:
    op.execute("grant update on crossings, camera_events to turnstile_app")
    op.execute("revoke select on alembic_version from public")
    op.execute("drop table alerts, model_logs, ai_models, user_sessions, users")
    op.execute("drop type alert_severity, model_log_type, model_status, user_role")
