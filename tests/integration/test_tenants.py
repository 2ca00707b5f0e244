"""Attempts to get across to another tenant. Nothing is seen, and nothing is written."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import Error, ForeignKeyViolation, InsufficientPrivilege, UniqueViolation
from psycopg.types.json import Jsonb
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from schema.database import across_tenants, open_engine, transaction
from schema.tables import Base, CameraRow
from tests.integration.tenancy import LOGINS, MINE, TENANT_TABLES, Ground, dsn_of, two_tenants

pytestmark = pytest.mark.integration

every_table = pytest.mark.parametrize("table", TENANT_TABLES)
every_login = pytest.mark.parametrize("login", LOGINS)
AUDIT = ("audit_logs", "audit_chains", "audit_origins")


@pytest.fixture(scope="module")
def ground(dsn: str) -> Iterator[Ground]:
    with two_tenants(dsn) as made:
        before = made.fingerprint()
        assert all(before.values()), f"no rows in {[name for name, digest in before.items() if digest is None]}"
        yield made
        assert made.fingerprint() == before, "somebody got across"


def tried(connection: psycopg.Connection[dict[str, Any]], query: str, *values: Any) -> list[dict[str, Any]]:
    """What a query gives, nothing where it is not permitted, in a part of the transaction of its own."""
    try:
        with connection.transaction():
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []
    except InsufficientPrivilege:
        return []


def refused(connection: psycopg.Connection[dict[str, Any]], query: str, *values: Any) -> str:
    """The words with which a query is refused."""
    with pytest.raises(Error) as caught, connection.transaction():
        connection.execute(query, values or None)
    return str(caught.value)


# Reading


@every_login
@every_table
def test_nobody_reads_rows_of_another_tenant(ground: Ground, table: str, login: str):
    with ground.acting(login) as connection:
        assert {row["tenant_id"] for row in tried(connection, f"select tenant_id from {table}")} <= {MINE}
        assert tried(connection, f"select 1 from {table} where tenant_id = %s", ground.theirs) == []


@every_login
@pytest.mark.parametrize("tenant", [None, "", " "], ids=["missing", "empty", "blank"])
def test_without_a_tenant_nobody_reads_a_row(ground: Ground, login: str, tenant: str | None):
    with ground.acting(login, tenant=tenant) as connection:
        for table in TENANT_TABLES:
            try:
                assert tried(connection, f"select 1 from {table} where tenant_id is not null") == [], table
            except psycopg.errors.InvalidTextRepresentation:
                assert tenant == " ", "what is no number is an error, which sees nothing either"


@every_table
def test_rows_of_ones_own_are_there(ground: Ground, table: str):
    login = "attack_auditor" if table in AUDIT else "attack_app"
    with ground.acting(login) as connection:
        assert tried(connection, f"select 1 from {table} limit 1") != []


def test_the_orm_finds_only_what_is_ones_own(ground: Ground):
    engine = open_engine(dsn_of(ground.superuser_dsn, "attack_app"), pool_size=1)
    with transaction(engine, MINE) as session:
        assert {camera.tenant_id for camera in session.scalars(select(CameraRow))} == {MINE}
        assert session.get(CameraRow, ground.ids[ground.theirs]["cameras"]) is None
        assert session.scalars(select(CameraRow).where(CameraRow.tenant_id == ground.theirs)).all() == []
    engine.dispose()


@every_login
def test_no_view_shows_rows_of_another_tenant(ground: Ground, login: str):
    with ground.acting(login) as connection:
        views = connection.execute("select viewname from pg_views where schemaname = 'public'").fetchall()
        for view in views:
            assert tried(connection, f"select 1 from {view['viewname']} where tenant_id <> %s", MINE) == []


@every_login
def test_no_partition_can_be_used_by_its_name(ground: Ground, login: str):
    with ground.acting(login) as connection:
        query = "select oid::regclass::text as name from pg_class where relispartition and relkind in ('r', 'p')"
        partitions = [row["name"] for row in connection.execute(query)]
        assert len(partitions) > 5
        for name in partitions:
            for statement in ("select 1 from {}", "delete from {}", "update {} set tenant_id = 1", "truncate {}"):
                if "tenant_id" in statement and name.startswith("model_logs"):
                    continue
                assert "permission denied" in refused(connection, statement.format(name)), name


@every_table
def test_copy_gives_away_nothing(ground: Ground, table: str):
    with ground.acting("attack_app") as connection:
        for source in (table, f"(select * from {table})"):
            try:
                with connection.transaction(), connection.cursor().copy(f"copy {source} to stdout (format csv)") as out:
                    lines = b"".join(bytes(part) for part in out).decode().splitlines()
            except InsufficientPrivilege:
                continue
            own = tried(connection, f"select count(*) as rows from {table} where tenant_id = {MINE}")[0]["rows"]
            # Of a table that is divided, the first form takes the rows of the empty parent.
            assert len(lines) == own or (not lines and source == table)


# Writing


@every_login
@every_table
def test_nobody_changes_or_deletes_rows_of_another_tenant(ground: Ground, table: str, login: str):
    with ground.acting(login) as connection:
        for statement in ("update {} set tenant_id = tenant_id", "delete from {}", "update {} set tenant_id = %s"):
            values = [MINE] if "%s" in statement else []
            query = f"{statement.format(table)} where tenant_id = %s returning tenant_id"
            assert tried(connection, query, *values, ground.theirs) == []


@every_login
@every_table
def test_nobody_moves_a_row_to_another_tenant(ground: Ground, table: str, login: str):
    with ground.acting(login) as connection:
        said = refused(connection, f"update {table} set tenant_id = %s", ground.theirs)
    assert "row-level security" in said or "permission denied" in said


@every_login
@every_table
@pytest.mark.parametrize("tenant", [MINE, None, ""], ids=["mine", "missing", "empty"])
def test_nobody_inserts_a_row_for_another_tenant(ground: Ground, table: str, login: str, tenant: int | str | None):
    row = stored(ground, table, MINE) | {"tenant_id": ground.theirs}
    with ground.acting(login, tenant=tenant) as connection:
        said = refused(connection, insertion(table, row), Jsonb(row))
    assert "row-level security" in said or "permission denied" in said


def stored(ground: Ground, table: str, tenant_id: int) -> dict[str, Any]:
    """A row of a tenant, without what is computed."""
    computed = {column.name for column in Base.metadata.tables[table].columns if column.computed is not None}
    with psycopg.connect(ground.superuser_dsn) as superuser:
        row = superuser.execute(f"select to_jsonb(t) from {table} t where tenant_id = {tenant_id} limit 1").fetchone()
    assert row is not None
    return {name: value for name, value in row[0].items() if name not in computed}


def insertion(table: str, row: dict[str, Any]) -> str:
    names = ", ".join(f'"{name}"' for name in row)
    return (
        f"insert into {table} ({names}) overriding system value"
        f" select {names} from jsonb_populate_record(null::{table}, %s)"
    )


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("zone_totals", "zone_id"),
        ("leases", "camera_id"),
        ("streams", "camera_id, epoch"),
        ("coverage", "camera_id, epoch, from_at"),
        ("packed_days", "zone_id, day"),
    ],
)
def test_a_conflict_with_a_row_of_another_tenant_does_not_touch_it(ground: Ground, table: str, keys: str):
    """The keys lead to the other tenant's row, whoever asks; the row itself stays out of reach."""
    row = stored(ground, table, ground.theirs)
    del row["tenant_id"]
    insert = insertion(table, row)
    with ground.acting("attack_app") as connection:
        into = f"{insert} on conflict ({keys}) do update set tenant_id = excluded.tenant_id"
        assert "row-level security" in refused(connection, into, Jsonb(row))
        assert tried(connection, f"{insert} on conflict do nothing returning 1", Jsonb(row)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "insert into zones (camera_id, name, type, coordinates, version, u_turn_s)"
        " values (%(cameras)s, 'x', 'line', '[[0,0],[1,1]]', 1, 2)",
        "insert into streams (camera_id, epoch, started_at, is_file) values (%(cameras)s, 'x', now(), false)",
        "insert into user_sessions (user_id, token_hash, created_at, expires_at, last_seen_at)"
        " values (%(users)s, sha256('x'), now(), now() + interval '1 day', now())",
        "insert into camera_events (timestamp, event_id, camera_id, event_type)"
        " values (now(), gen_random_uuid(), %(cameras)s, 'lost')",
        "insert into alerts (type, severity, message, timestamp, camera_id)"
        " values ('x', 'info', 'x', now(), %(cameras)s)",
        "update crossings set zone_id = %(zones)s",
        "update crossings set camera_id = %(cameras)s",
        "update counting_results set zone_id = %(zones)s",
        "update counting_results set camera_id = %(cameras)s, zone_id = %(zones)s",
        "update zone_totals set zone_id = %(zones)s",
        "update leases set camera_id = %(cameras)s",
        "update coverage set camera_id = %(cameras)s",
        "update alerts set zone_id = %(zones)s",
        "update alerts set acknowledged_at = now(), acknowledged_by = %(users)s",
        "update evidence set file_id = %(files)s",
        "update evidence set zone_id = %(zones)s",
        "update jobs set requested_by = %(users)s",
        "update analytics set camera_id = %(cameras)s, zone_id = %(zones)s",
        "update packed_days set camera_id = %(cameras)s",
    ],
)
def test_no_row_refers_to_a_row_of_another_tenant(ground: Ground, statement: str):
    with ground.acting("attack_app") as connection:
        connection.execute("set constraints all immediate")
        with pytest.raises((ForeignKeyViolation, UniqueViolation, InsufficientPrivilege)), connection.transaction():
            connection.execute(statement, ground.ids[ground.theirs])


@every_table
def test_copy_brings_in_nothing(ground: Ground, table: str):
    with ground.acting("attack_app") as connection:
        with (
            pytest.raises(Error, match=r"row-level security|permission denied"),
            connection.transaction(),
            connection.cursor().copy(f"copy {table} from stdin") as data,
        ):
            data.write("\n")
        assert "must be superuser" in refused(connection, f"copy {table} to program 'cat'")


# Roles, functions, pools


@every_login
def test_nobody_becomes_more_than_his_login_is_let(ground: Ground, login: str):
    others = ("turnstile_migrator", "turnstile_app", "turnstile_system", "turnstile_analyst", "turnstile_auditor")
    with ground.acting(login) as connection:
        for role in {*others, "turnstile", "pg_read_all_data"} - set(LOGINS[login]):
            assert "permission denied to set role" in refused(connection, f"set role {role}")
        connection.execute("reset role")
        assert "permission denied" in refused(connection, "select 1 from cameras"), "a login has nothing by itself"
        assert "permission denied" in refused(connection, "set session authorization turnstile")
        for setting in ("row_security = off", "session_replication_role = replica"):
            connection.execute(f"set local role {LOGINS[login][0]}")
            assert tried(connection, f"set local {setting}") == []
            said = refused(connection, "select tenant_id from user_sessions") if "off" in setting else "denied"
            assert "row-level security" in said or "denied" in said


@every_login
def test_nobody_changes_tables_policies_or_functions(ground: Ground, login: str):
    with ground.acting(login) as connection:
        for statement in (
            "alter table cameras disable row level security",
            "alter table cameras no force row level security",
            "drop policy tenant on cameras",
            "create policy all_of_it on cameras using (true)",
            "create table public.mine (id int)",
            "create function public.mine() returns int language sql as 'select 1'",
            "create or replace view public.mine as select 1",
            "create trigger mine after insert on cameras execute function suppress_redundant_updates_trigger()",
            "truncate cameras cascade",
            "select guard_tenant('cameras')",
            "select let_system('users', 'select')",
        ):
            said = refused(connection, statement)
            assert "permission denied" in said or "must be owner" in said, statement


@pytest.mark.parametrize(
    ("parent", "first", "last"),
    [
        ("cameras", "2026-01-01", "2026-02-01"),
        ("crossings; drop table cameras", "2026-01-01", "2026-02-01"),
        ("crossings", "2026-01-01 12:00", "2026-02-01"),
        ("crossings", "1999-01-01", "1999-02-01"),
        ("crossings", "2026-01-01", "2036-01-01"),
        ("pg_class", "2026-01-01", "2026-02-01"),
    ],
)
def test_the_function_that_makes_partitions_makes_nothing_else(ground: Ground, parent: str, first: str, last: str):
    with ground.acting("attack_app") as connection:
        assert "partition" in refused(
            connection, "select ensure_partition(%s, %s, %s)", parent, first + "Z", last + "Z"
        )


def test_a_function_of_ones_own_in_front_of_the_systems_is_not_called(ground: Ground):
    """Whoever calls what runs as the owner cannot slip in another ``format`` or ``pg_class``."""
    with ground.acting("attack_app") as connection:
        connection.execute("create temp table pg_partitioned_table (partrelid oid, partstrat char)")
        connection.execute("create temp table pg_class as select * from pg_catalog.pg_class where relname = 'cameras'")
        connection.execute("insert into pg_temp.pg_partitioned_table select oid, 'r' from pg_temp.pg_class")
        connection.execute("set local search_path = pg_temp, public, pg_catalog")
        said = refused(connection, "select public.ensure_partition('cameras', '2026-01-01Z', '2026-02-01Z')")
    assert "has no partitions by time" in said


def test_a_pooled_connection_keeps_nothing_of_its_last_user(ground: Ground):
    engine = open_engine(dsn_of(ground.superuser_dsn, "attack_service"), pool_size=1)
    names = select(CameraRow.tenant_id)

    def fails_in_the_middle() -> None:
        with transaction(engine, ground.theirs) as session:
            session.execute(text("select 1 / 0"))

    with transaction(engine, ground.theirs) as session:
        pid = session.scalar(text("select pg_backend_pid()"))
        assert session.scalars(names).all() == [ground.theirs]
    with Session(engine) as session:
        assert session.scalar(text("select pg_backend_pid()")) == pid, "it is the same connection"
        assert session.scalars(names).all() == []
    with pytest.raises(DBAPIError, match="division"):
        fails_in_the_middle()
    with Session(engine) as session:
        assert session.scalars(names).all() == []
    with across_tenants(engine) as session:
        assert set(session.scalars(names)) == {MINE, ground.theirs}
    with Session(engine) as session:
        assert session.scalars(names).all() == []
        session.execute(text("select set_config('app.tenant', :tenant, false)"), {"tenant": str(ground.theirs)})
        session.commit()
    with transaction(engine, MINE) as session:
        assert session.scalars(names).all() == [MINE], "a transaction's own tenant counts, whatever was left over"
    engine.dispose()


def test_an_engine_of_somebody_who_may_do_all_acts_as_one_who_may_not(ground: Ground):
    engine = open_engine(ground.superuser_dsn, pool_size=1)
    with Session(engine) as session:
        assert session.scalars(select(CameraRow)).all() == []
    engine.dispose()


# Who may only look


@pytest.mark.parametrize("login", ["attack_analyst", "attack_auditor"])
@every_table
def test_whoever_only_looks_writes_nothing_of_his_own_tenant_either(ground: Ground, table: str, login: str):
    with ground.acting(login) as connection:
        for statement in ("delete from {}", "update {} set tenant_id = tenant_id", "insert into {} default values"):
            assert "permission denied" in refused(connection, statement.format(table))


@pytest.mark.parametrize("table", [table for table in TENANT_TABLES if table not in AUDIT])
def test_the_auditor_sees_no_counts_people_or_cameras(ground: Ground, table: str):
    with ground.acting("attack_auditor") as connection:
        assert "permission denied" in refused(connection, f"select 1 from {table}")


@pytest.mark.parametrize(
    "query",
    [
        *(f"select 1 from {table}" for table in ("users", "user_sessions", "outbox", "leases", "jobs", *AUDIT)),
        "select source from cameras",
        "select source_sealed from cameras",
        "select * from cameras",
    ],
)
def test_the_analyst_sees_no_people_secrets_or_trail(ground: Ground, query: str):
    with ground.acting("attack_analyst") as connection:
        assert "permission denied" in refused(connection, query)
        assert tried(connection, "select id, name from cameras") != []


@pytest.mark.parametrize("table", AUDIT)
@pytest.mark.parametrize("login", ["attack_app", "attack_service", "attack_analyst"])
def test_only_the_auditor_reads_the_trail(ground: Ground, table: str, login: str):
    with ground.acting(login) as connection:
        assert "permission denied" in refused(connection, f"select 1 from {table}")
