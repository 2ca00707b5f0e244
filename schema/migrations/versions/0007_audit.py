"""The audit trail.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
create table audit_logs (
    timestamp timestamptz not null,
    id bigint generated always as identity,
    tenant_id bigint constraint fk_audit_logs_tenant_id_tenants references tenants (id),
    position bigint not null,
    table_name text not null,
    action text not null,
    record_id bigint,
    user_id bigint,
    origin bytea,
    program text not null,
    login text not null,
    old jsonb,
    new jsonb,
    previous_hash bytea not null,
    hash bytea not null,
    constraint pk_audit_logs primary key (timestamp, id),
    constraint ck_audit_logs_action check (action in ('insert', 'update', 'delete', 'read', 'erase')),
    constraint ck_audit_logs_position check (position >= 1)
) partition by range (timestamp);
create index ix_audit_logs_tenant_id_position on audit_logs (tenant_id, position);
create table audit_logs_default partition of audit_logs default;

create table audit_chains (
    id bigint generated always as identity constraint pk_audit_chains primary key,
    tenant_id bigint constraint fk_audit_chains_tenant_id_tenants references tenants (id),
    position bigint not null default 0,
    hash bytea not null default '\\x',
    last_at timestamptz,
    first_position bigint not null default 1,
    first_previous bytea not null default '\\x',
    constraint uq_audit_chains_tenant_id unique nulls not distinct (tenant_id),
    constraint ck_audit_chains_position check (first_position between 1 and position + 1)
) with (fillfactor = 50);

create table audit_origins (
    id bigint generated always as identity constraint pk_audit_origins primary key,
    tenant_id bigint constraint fk_audit_origins_tenant_id_tenants references tenants (id),
    user_id bigint,
    ip_address inet not null,
    salt bytea not null,
    digest bytea not null,
    constraint uq_audit_origins_tenant_id_ip_address_user_id
        unique nulls not distinct (tenant_id, ip_address, user_id),
    constraint uq_audit_origins_digest unique (digest)
);
"""

RIGHTS = """
do $$ declare name text; begin
    foreach name in array array['audit_logs', 'audit_chains', 'audit_origins'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy owner on %I to turnstile_migrator using (true) with check (true)', name);
        -- Without a tenant: the system's own chain.
        execute format('create policy tenant on %I for select to turnstile_auditor using ('
            'tenant_id is not distinct from nullif(current_setting(''app.tenant'', true), '''')::bigint)', name);
        execute format('grant select on %I to turnstile_auditor', name);
    end loop;
end $$;
"""

APPEND_ONLY = """
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit trail is only added to' using errcode = 'insufficient_privilege';
end $$;
create trigger refuse_change before update or delete on audit_logs for each row execute function refuse_change();
create trigger refuse_truncate before truncate on audit_logs for each statement execute function refuse_change();
create trigger refuse_truncate before truncate on audit_logs_default for each statement
    execute function refuse_change();
-- A partition takes over the triggers for rows by itself, those for the whole table it does not.
create or replace function attach_partition(parent text, partition text, first timestamptz, last timestamptz)
returns void language plpgsql as $$
begin
    execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
        parent, partition, first, last);
    if parent = 'audit_logs' then
        execute format('create trigger refuse_truncate before truncate on public.%I for each statement'
            ' execute function public.refuse_change()', partition);
    end if;
end $$;
select ensure_partition('audit_logs', date_trunc('month', now(), 'UTC'),
    date_trunc('month', now(), 'UTC') + interval '1 month');
"""

ATTACH_BEFORE = """
create or replace function attach_partition(parent text, partition text, first timestamptz, last timestamptz)
returns void language plpgsql as $$
begin
    execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
        parent, partition, first, last);
end $$
"""

# Runs as the owner for whoever changes something. The chain's row is locked from here to the end of the transaction.
WRITE = """
create function audit_origin(of_tenant bigint, of_user bigint, address inet) returns bytea
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    new_salt constant bytea := uuid_send(gen_random_uuid());
    found bytea;
begin
    if address is null then
        return null;
    end if;
    select digest into found from audit_origins
        where (tenant_id = of_tenant or (tenant_id is null and of_tenant is null)) and ip_address = address
          and user_id is not distinct from of_user;
    if found is null then
        insert into audit_origins (tenant_id, user_id, ip_address, salt, digest)
        values (of_tenant, of_user, address, new_salt, sha256(new_salt || convert_to(host(address), 'UTF8')))
        returning digest into found;
    end if;
    return found;
end $$;

create function audit_write(of_tenant bigint, of_table text, done text, record bigint, before jsonb, after jsonb)
returns void language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    chain audit_chains;
    of_user constant bigint := nullif(current_setting('app.user_id', true), '')::bigint;
    address constant inet := nullif(current_setting('app.client_ip', true), '')::inet;
    of_program constant text := current_setting('application_name');
    of_origin bytea;
    at timestamptz;
    fields text;
    next_hash bytea;
begin
    loop
        select * into chain from audit_chains
            where tenant_id = of_tenant or (tenant_id is null and of_tenant is null) for no key update;
        exit when found;
        insert into audit_chains (tenant_id) values (of_tenant) on conflict (tenant_id) do nothing;
    end loop;
    of_origin := audit_origin(of_tenant, of_user, address);
    at := greatest(clock_timestamp(), chain.last_at);
    -- Each field with its length, so that no two entries read the same; schema/queries/audit.py repeats this.
    select string_agg(coalesce(octet_length(field) || ':' || field, '-'), ',' order by place) into fields
    from unnest(array[
        of_tenant::text, (extract(epoch from at) * 1000000)::bigint::text, of_table, done, record::text, of_user::text,
        encode(of_origin, 'hex'), of_program, session_user::text, before::text, after::text
    ]) with ordinality as parts (field, place);
    next_hash := sha256(chain.hash || convert_to(fields, 'UTF8'));
    insert into audit_logs (timestamp, tenant_id, position, table_name, action, record_id, user_id, origin, program,
        login, old, new, previous_hash, hash)
    values (at, of_tenant, chain.position + 1, of_table, done, record, of_user, of_origin, of_program, session_user,
        before, after, chain.hash, next_hash);
    update audit_chains set position = chain.position + 1, hash = next_hash, last_at = at where id = chain.id;
end $$;
"""

# The functions that others may call.
CALLS = """
create function audit_read(of_table text, record bigint, what text) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    perform audit_write(nullif(current_setting('app.tenant', true), '')::bigint, of_table, 'read', record, null,
        jsonb_build_object('what', what));
end $$;

create function audit_forget(erased bigint, report jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    of_tenant constant bigint := nullif(current_setting('app.tenant', true), '')::bigint;
    forgotten bigint;
begin
    delete from audit_origins where tenant_id = of_tenant and user_id = erased;
    get diagnostics forgotten = row_count;
    perform audit_write(of_tenant, 'audit_origins', 'erase', erased, null,
        jsonb_build_object('addresses', forgotten) || report);
    return forgotten;
end $$;

-- Before the oldest partition is detached: from here on the chains begin after it.
create function audit_release(partition text) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    held record;
begin
    if not exists (select from pg_inherits where inhparent = 'audit_logs'::regclass
                   and inhrelid = to_regclass(quote_ident(partition))) then
        raise exception '% is no partition of the audit trail', partition;
    end if;
    for held in execute format(
        'select distinct on (tenant_id) tenant_id, position, hash, min(position) over (partition by tenant_id) as first'
        ' from %I order by tenant_id, position desc', partition)
    loop
        update audit_chains set first_position = held.position + 1, first_previous = held.hash
        where tenant_id is not distinct from held.tenant_id and first_position = held.first;
        if not found then
            raise exception '% is not the oldest part of the audit trail', partition;
        end if;
    end loop;
end $$;
revoke execute on function audit_origin, audit_write, audit_read, audit_forget, audit_release from public;
grant execute on function audit_read, audit_forget to turnstile_app;
"""

TRIGGERS = """
create function audit_shown(fields jsonb, hidden text[], ignored text[]) returns jsonb
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select jsonb_object_agg(key,
        case when key = any (hidden) and value <> 'null' then '{"changed": true}' else value end)
    from jsonb_each(fields) where key <> all (ignored)
$$;

create function audit_change() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    hidden constant text[] := tg_argv[0];
    ignored constant text[] := tg_argv[1];
    before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    entry constant jsonb := coalesce(after, before);
    same constant text[] := case when tg_op = 'UPDATE' then array(
        select key from jsonb_each(before) where value = after -> key) else '{}' end;
begin
    before := audit_shown(before, hidden, ignored || same);
    after := audit_shown(after, hidden, ignored || same);
    if before is null and after is null then
        return null;
    end if;
    perform audit_write(case when tg_table_name = 'tenants' then entry ->> 'id' else entry ->> 'tenant_id' end::bigint,
        tg_table_name, lower(tg_op), (entry ->> 'id')::bigint, before, after);
    return null;
end $$;

-- Deferred, so that the chain is locked last, when the transaction waits for nothing else. What is ignored does not
-- even fire the trigger. To be called again for a table that gets new columns.
create function audit_table(name text, hidden text[] default '{}', ignored text[] default '{}') returns void
language plpgsql as $$
begin
    execute format('drop trigger if exists audit on %I', name);
    execute format('create constraint trigger audit after insert or delete or update of %s on %I'
        ' deferrable initially deferred for each row execute function audit_change(%L, %L)',
        (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
         where attrelid = name::regclass and attnum > 0 and not attisdropped and attname <> all (ignored)),
        name, hidden, ignored);
end $$;
revoke execute on function audit_shown, audit_change, audit_table from public;

select audit_table('tenants');
select audit_table('cameras', hidden => '{source,source_sealed}', ignored => '{status,status_at}');
select audit_table('zones');
select audit_table('ai_models');
select audit_table('users', hidden => '{username,email_sealed,email_index,password_hash}',
    ignored => '{last_login_at}');
select audit_table('user_sessions', hidden => '{token_hash,ip_address,user_agent}', ignored => '{last_seen_at}');
"""


def upgrade() -> None:
    for statements in (TABLES, RIGHTS, APPEND_ONLY, WRITE, CALLS, TRIGGERS):
        op.execute(statements)


def downgrade() -> None:
    for table in ("tenants", "cameras", "zones", "ai_models", "users", "user_sessions"):
        op.execute(f"drop trigger audit on {table}")
    op.execute("drop function audit_table, audit_change, audit_shown, audit_release, audit_forget, audit_read")
    op.execute("drop function audit_write, audit_origin")
    op.execute("drop table audit_logs, audit_chains, audit_origins")
    op.execute("drop function refuse_change")
    op.execute(ATTACH_BEFORE)
