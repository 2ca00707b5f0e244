"""What the database's own catalogue says about tenants, roles and rights, for every table there is."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Row, text

from schema.database.engine import make_engine
from schema.database.roles import ROLES

pytestmark = pytest.mark.integration

WITHOUT_TENANT = {"alembic_version", "tenants", "ai_models", "model_logs"}
"""Tables that no tenant has a part of, and the tenants themselves."""
NAMED = "(NULLIF(current_setting('app.tenant'::text, true), ''::text))::bigint"
OF_THE_NAMED_TENANT = {f"(tenant_id = {NAMED})", f"(NOT (tenant_id IS DISTINCT FROM {NAMED}))"}
"""As PostgreSQL writes it; the second lets rows without a tenant be seen where none is named."""
EVERYTHING_TO = {"turnstile_migrator", "turnstile_system"}


@pytest.fixture(scope="module")
def connection(dsn: str) -> Iterator[Connection]:
    engine = make_engine(dsn, pool_size=1, role=None)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def found(connection: Connection, query: str) -> list[Row[Any]]:
    return list(connection.execute(text(query)))


def test_every_table_but_those_of_the_system_has_a_tenant(connection: Connection):
    without = found(
        connection,
        "select relname from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition and not exists (select from pg_attribute"
        " where attrelid = c.oid and attname = 'tenant_id' and not attisdropped)",
    )
    assert {row.relname for row in without} == WITHOUT_TENANT


def test_row_security_is_forced_on_every_table_with_tenants(connection: Connection):
    tables = found(
        connection,
        "select c.relname, relrowsecurity and relforcerowsecurity as guarded from pg_class c"
        " join pg_attribute on attrelid = c.oid and attname = 'tenant_id' where not c.relispartition"
        " and c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
        " union select 'tenants', relrowsecurity and relforcerowsecurity from pg_class where relname = 'tenants'",
    )
    assert len(tables) > 15
    assert [row.relname for row in tables if not row.guarded] == []


def test_policies_let_all_tenants_be_seen_by_the_owner_and_the_system_only(connection: Connection):
    policies = found(
        connection,
        "select tablename, policyname, permissive, array_to_string(roles, ',') as roles, qual, with_check"
        " from pg_policies where schemaname = 'public'",
    )
    for policy in policies:
        roles = set(policy.roles.split(","))
        assert roles <= set(ROLES), f"{policy.tablename}.{policy.policyname} is for {roles}"
        if not roles <= EVERYTHING_TO:
            allowed = {f"(id = {NAMED})"} if policy.tablename == "tenants" else OF_THE_NAMED_TENANT
            assert {policy.qual, policy.with_check} - {None} <= allowed, policy
            assert policy.qual is not None


def test_nobody_has_a_right_to_a_partition(connection: Connection):
    rights = found(
        connection,
        "select c.relname, g.grantee::regrole::text, g.privilege_type from pg_class c, aclexplode(c.relacl) g"
        " where c.relispartition and c.relkind in ('r', 'p') and g.grantee <> c.relowner",
    )
    assert rights == []


def test_nothing_is_let_to_everybody(connection: Connection):
    rights = found(
        connection,
        "select c.relname, g.privilege_type from pg_class c, aclexplode(c.relacl) g"
        " where c.relnamespace = 'public'::regnamespace and g.grantee = 0",
    )
    assert [tuple(row) for row in rights] == [("alembic_version", "SELECT")]


def test_what_runs_as_the_owner_is_called_by_few_and_looks_names_up_in_a_fixed_order(connection: Connection):
    functions = found(
        connection,
        "select p.oid::regprocedure::text as name, p.proconfig, p.proowner::regrole::text as owner, p.prorettype"
        " = 'trigger'::regtype as is_trigger, coalesce((select array_agg(g.grantee) from aclexplode(coalesce(p.proacl,"
        " acldefault('f', p.proowner))) g), '{}') as callers from pg_proc p"
        " where p.pronamespace = 'public'::regnamespace and p.prosecdef",
    )
    assert functions
    for function in functions:
        paths = [one for one in function.proconfig or () if one.startswith("search_path=")]
        assert len(paths) == 1, f"{function.name} has no search_path of its own"
        path = [name.strip() for name in paths[0].partition("=")[2].split(",")]
        assert (path[0], path[-1]) == ("pg_catalog", "pg_temp"), f"{function.name} looks names up in {path}"
        assert function.owner == "turnstile_migrator"
        assert 0 not in function.callers, f"everybody may call {function.name}"


def test_every_view_looks_as_whoever_asks(connection: Connection):
    views = found(
        connection,
        "select relname, coalesce(reloptions::text, '') as options from pg_class"
        " where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')",
    )
    assert [row.relname for row in views if "security_invoker=true" not in row.options] == []


def test_the_owner_owns_everything_and_no_role_of_ours_logs_in(connection: Connection):
    strangers = found(
        connection,
        "select relname, relowner::regrole::text from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'p', 'v', 'm', 'S') and relowner <> 'turnstile_migrator'::regrole",
    )
    assert strangers == []
    roles = found(
        connection,
        "select rolname, rolsuper or rolbypassrls or rolcanlogin or rolcreaterole or rolcreatedb as mighty"
        " from pg_roles where rolname in (" + ", ".join(f"'{role}'" for role in ROLES) + ")",
    )
    assert {row.rolname: row.mighty for row in roles} == dict.fromkeys(ROLES, False)


def test_whoever_only_looks_may_only_look(connection: Connection):
    rights = found(
        connection,
        "select c.relname, g.grantee::regrole::text as grantee, g.privilege_type from pg_class c,"
        " aclexplode(c.relacl) g where g.grantee in ('turnstile_analyst'::regrole, 'turnstile_auditor'::regrole)"
        " and g.privilege_type <> 'SELECT'",
    )
    assert rights == []
    seen_by_auditor = found(
        connection,
        "select c.relname from pg_class c, aclexplode(c.relacl) g where g.grantee = 'turnstile_auditor'::regrole",
    )
    assert {row.relname for row in seen_by_auditor} == {"tenants", "audit_logs", "audit_chains", "audit_origins"}
