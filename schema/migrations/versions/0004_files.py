"""Files and evidence.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TENANT = "tenant_id bigint not null default coalesce(nullif(current_setting('app.tenant', true), '')::bigint, 1)"

FILES = f"""
create table files (
    id bigint generated always as identity constraint pk_files primary key,
    kind text not null,
    filename text not null,
    path text collate "C" not null,
    size bigint not null,
    mime_type text not null,
    sha256 text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    {TENANT},
    constraint ck_files_kind check (kind in ('evidence', 'export', 'archive', 'upload')),
    constraint ck_files_size check (size >= 0),
    constraint ck_files_sha256 check (sha256 ~ '^[0-9a-f]{{64}}$'),
    constraint uq_files_tenant_id_id unique (tenant_id, id),
    constraint uq_files_tenant_id_kind_path unique (tenant_id, kind, path),
    constraint fk_files_tenant_id_tenants foreign key (tenant_id) references tenants (id)
);
create index ix_files_path on files (path);
create index ix_files_expires_at on files (expires_at) where expires_at is not null;
"""

EVIDENCE = f"""
create table evidence (
    id bigint generated always as identity constraint pk_evidence primary key,
    event_id uuid not null,
    occurred_at timestamptz not null,
    camera_id bigint not null,
    zone_id bigint not null,
    file_id bigint not null,
    model text not null,
    seen_at timestamptz not null,
    box real[] not null,
    trajectory jsonb not null,
    created_at timestamptz not null default now(),
    {TENANT},
    constraint ck_evidence_box check (cardinality(box) = 4),
    constraint ck_evidence_trajectory check (jsonb_typeof(trajectory) = 'array'),
    constraint uq_evidence_tenant_id_event_id unique (tenant_id, event_id),
    constraint fk_evidence_tenant_id_camera_id_zone_id_zones
        foreign key (tenant_id, camera_id, zone_id) references zones (tenant_id, camera_id, id),
    constraint fk_evidence_tenant_id_file_id_files
        foreign key (tenant_id, file_id) references files (tenant_id, id)
);
create index ix_evidence_tenant_id_camera_id_zone_id on evidence (tenant_id, camera_id, zone_id);
create index ix_evidence_tenant_id_file_id on evidence (tenant_id, file_id);
create index ix_evidence_tenant_id_created_at on evidence (tenant_id, created_at);
"""


def upgrade() -> None:
    op.execute(FILES)
    op.execute(EVIDENCE)
    for table in ("files", "evidence"):
        op.execute(f"select guard_tenant('{table}'), let_system('{table}', 'select, delete')")


def downgrade() -> None:
    op.execute("drop table evidence, files")
