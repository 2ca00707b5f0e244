"""The SQL functions of revision 0002 that make partitions. They are part of that revision: do not change them.

They run as the owner for whoever may call them, and can do nothing but make partitions that the calendar has.
"""

# Beside the table and then attached: "create table … partition of" would lock out every reader of the whole table, this
# locks out those of the DEFAULT partition, which must be looked through. Writers wait too, or a row on its way to the
# DEFAULT partition would find itself refused there.
_NEW = """
create function new_partition(parent text, first timestamptz, last timestamptz) returns text
language plpgsql as $$
declare
    suffix constant text := case
        when last - first <= interval '1 day' then '_YYYY_MM_DD'
        when last - first <= interval '31 days' then '_YYYY_MM'
        else '_YYYY' end;
    name constant text := parent || to_char(first at time zone 'UTC', suffix);
    month constant text := parent || to_char(first at time zone 'UTC', '_YYYY_MM');
begin
    if not exists (select from pg_partitioned_table p join pg_class c on c.oid = p.partrelid
                   where c.relname = parent and c.relnamespace = 'public'::regnamespace and p.partstrat = 'r') then
        raise exception '% has no partitions by time', parent;
    end if;
    if first < timestamptz '2000-01-01 UTC' or last > timestamptz '2100-01-01 UTC' or last <= first
       or last - first > interval '366 days' or first <> date_trunc('day', first, 'UTC') then
        raise exception 'no partition of % from % to %', parent, first, last;
    end if;
    perform pg_advisory_xact_lock(7463002);
    if to_regclass('public.' || quote_ident(name)) is not null then
        return null;
    end if;
    execute format('create table public.%I (like public.%I including defaults including constraints'
        ' including generated including storage including compression)%s', name, parent,
        case parent when 'counting_results' then ' partition by hash (camera_id)'
            when 'analytics_day' then ' with (fillfactor = 50)' else '' end);
    if parent = 'counting_results' then
        for remainder in 0..3 loop
            execute format('create table public.%I partition of public.%I for values with (modulus 4, remainder %s)',
                name || '_' || remainder, name, remainder);
        end loop;
        -- The previous release makes partitions of whole months, unless it finds their name in use.
        if to_regclass('public.' || quote_ident(month)) is null then
            execute format('create type public.%I as ()', month);
        end if;
    end if;
    return name;
end $$;

-- Whoever calls it has locked out writers. A later revision replaces it.
create function attach_partition(parent text, partition text, first timestamptz, last timestamptz) returns void
language plpgsql as $$
begin
    execute format('alter table public.%I attach partition public.%I for values from (%L) to (%L)',
        parent, partition, first, last);
end $$;
"""

_ENSURE = """
-- For whoever stores rows: never waits for long. Without the partition, rows go to the DEFAULT one.
-- False: rows of this time lie there already, or a longer partition has it. Null: the table is in use.
create function ensure_partition(parent text, first timestamptz, last timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '200ms' as $$
declare
    name text;
begin
    name := public.new_partition(parent, first, last);
    if name is not null then
        execute format('lock table only public.%I in share row exclusive mode', parent);
        perform public.attach_partition(parent, name, first, last);
    end if;
    return true;
exception
    when check_violation or invalid_object_definition then return false;
    when lock_not_available then return null;
end $$;
"""

_SETTLE = """
-- Makes a partition for rows that lie in the DEFAULT one, and moves them, between two moments of everybody else.
-- Returns how many; null: the table is in use, or a longer partition has this time.
create function settle_partition(parent text, first timestamptz, last timestamptz) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '200ms' as $$
declare
    name text;
    rest text;
    key text;
    columns text;
    moved bigint;
begin
    name := public.new_partition(parent, first, last);
    if name is null then
        return 0;
    end if;
    select p.partdefid::regclass::text, quote_ident(a.attname) into rest, key
    from pg_partitioned_table p join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where p.partrelid = format('public.%I', parent)::regclass;
    select string_agg(quote_ident(attname), ', ' order by attnum) into columns
    from pg_attribute
    where attrelid = format('public.%I', parent)::regclass and attnum > 0 and not attisdropped and attgenerated = '';
    execute format('lock table only public.%I in share row exclusive mode', parent);
    execute format('lock table %s in access exclusive mode', rest);
    -- To move a row is not to change it.
    execute format('alter table %s disable trigger user', rest);
    execute format('with moved as (delete from %1$s where %2$s >= %3$L and %2$s < %4$L returning %5$s)'
        ' insert into public.%6$I (%5$s) select %5$s from moved', rest, key, first, last, columns, name);
    get diagnostics moved = row_count;
    execute format('alter table %s enable trigger user', rest);
    perform public.attach_partition(parent, name, first, last);
    return moved;
exception
    when lock_not_available or invalid_object_definition then return null;
end $$;

-- The days, months or years whose rows lie in the DEFAULT partition; reads one index entry for each.
create function stray_periods(parent text, period text) returns setof timestamptz
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    rest text;
    key text;
begin
    if period not in ('day', 'month', 'year') then
        raise exception 'no period %', period;
    end if;
    select p.partdefid::regclass::text, quote_ident(a.attname) into strict rest, key
    from pg_partitioned_table p join pg_attribute a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
    where p.partrelid = to_regclass(format('public.%I', parent));
    return query execute format($query$
        with recursive found (first) as (
            select date_trunc(%1$L, min(%2$s), 'UTC') from %3$s
            where %2$s >= timestamptz '2000-01-01 UTC' and %2$s < timestamptz '2100-01-01 UTC'
            union all
            select (
                select date_trunc(%1$L, min(%2$s), 'UTC') from %3$s
                where %2$s >= (found.first at time zone 'UTC' + interval '1 %4$s') at time zone 'UTC'
                    and %2$s < timestamptz '2100-01-01 UTC')
            from found where found.first is not null
        )
        select first from found where first is not null $query$, period, key, rest, period);
end $$;
"""

_RIGHTS = """
revoke execute on function new_partition, attach_partition, ensure_partition, settle_partition, stray_periods
    from public;
grant execute on function ensure_partition to turnstile_app, turnstile_system;
grant execute on function settle_partition, stray_periods to turnstile_system;
"""

MAKE = _NEW + _ENSURE + _SETTLE + _RIGHTS

DROP = "drop function ensure_partition, settle_partition, stray_periods, attach_partition, new_partition"
