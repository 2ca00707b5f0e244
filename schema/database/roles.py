"""Who may do what in the database. None of these roles logs in: logins are members of them.

- ``turnstile_migrator`` owns everything and is used for migrations and partitions only.
- ``turnstile_app`` reads and writes the rows of the tenant that its transaction names.
- ``turnstile_system`` sees all tenants, in the few tables granted to it: leases, the outbox, what is to be archived.
- ``turnstile_analyst`` reads a tenant's counts, never people, secrets or the audit trail.
- ``turnstile_auditor`` reads a tenant's audit trail.
"""

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from schema.errors import BadInput

MIGRATOR: Final = "turnstile_migrator"
APP: Final = "turnstile_app"
SYSTEM: Final = "turnstile_system"
ANALYST: Final = "turnstile_analyst"
AUDITOR: Final = "turnstile_auditor"
ROLES: Final = (MIGRATOR, APP, SYSTEM, ANALYST, AUDITOR)

# Roles belong to the server, not to the database: another database's migration may make one at this very moment.
_MAKE = """
do $$ begin
    if not exists (select from pg_roles where rolname = '{role}') then
        create role {role} nologin;
    end if;
    exception when duplicate_object or unique_violation then null;
end $$
"""
_ADOPT = """
do $$ declare found record; begin
    for found in
        select c.oid::regclass as name, case c.relkind when 'v' then 'view' else 'table' end as kind
        from pg_class c join pg_roles r on r.oid = c.relowner
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
          and r.rolname <> 'turnstile_migrator'
          and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    loop
        execute format('alter %s %s owner to turnstile_migrator', found.kind, found.name);
    end loop;
end $$
"""


def become_migrator(connection: Connection) -> None:
    """As ``prepare_roles``, and act as the owner until the transaction ends; raises as it does."""
    prepare_roles(connection)
    connection.execute(text(f"set local role {MIGRATOR}"))


def prepare_roles(connection: Connection) -> None:
    """Make the roles where they are missing, and let the owner own what is there.

    Raises:
        BadInput: whoever logs in may not make roles, and they are missing.
    """
    try:
        for role in ROLES:
            connection.execute(text(_MAKE.format(role=role)))
            if not connection.scalar(text("select pg_has_role(current_user, :role, 'member')"), {"role": role}):
                connection.execute(text(f"grant {role} to current_user"))
        connection.execute(text(f"grant create, usage on schema public to {MIGRATOR}"))
        connection.execute(text(_ADOPT))
    except ProgrammingError as error:
        raise BadInput(
            f"whoever logs in by postgres_owner_dsn may not prepare the database ({str(error.orig).splitlines()[0]}): "
            f"as a superuser, create the roles {', '.join(ROLES)} and grant them to it, and let it own the database"
        ) from error


def login_of_too_much_power(connection: Connection) -> str | None:
    """Who logs in, if row security does not hold for him whatever role he acts as; None if it does."""
    return connection.scalar(
        text("select rolname from pg_roles where rolname = session_user and (rolsuper or rolbypassrls)")
    )
