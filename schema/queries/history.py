"""Which history of PostgreSQL a number was read from.

Numbers that only grow (revisions, crossings counted) name a state only within one history. A standby that is promoted
may lack the last commits and go on with others under the same numbers; so does a server restored to an earlier time.
Both begin a new timeline.
"""

from typing import Final

# A standby says which timeline it follows; it has no place of its own to write.
HISTORY: Final = (
    "(select concat_ws('/', s.system_identifier, d.oid, case when pg_is_in_recovery()"
    " then (select r.min_recovery_end_timeline from pg_control_recovery() r)::text"
    " else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int::text end)"
    " from pg_control_system() s, pg_database d where d.datname = current_database())"
)
"""SQL of a text: server, database, timeline."""
