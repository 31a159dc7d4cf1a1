-- Who did what. A row is never changed; the application's role may add rows and read them, and nothing else.
create table larder.audit (
    id uuid primary key, -- of what began with a lease: that of its pending row
    at timestamptz not null default clock_timestamp(),
    principal_id uuid, -- null: nobody that we know
    principal text collate "C",
    token_id uuid,
    share_id uuid, -- the link that the change came through; it is its maker's
    action text not null,
    kind text,
    dataset_id uuid,
    name text collate "C",
    -- A write to another store is begun, and then done or failed; with neither, or with `unknown`, its answer was lost.
    outcome text not null check (outcome in ('begun', 'done', 'failed', 'unknown', 'refused')),
    intent uuid, -- the row that began it
    count bigint not null default 1, -- refusals that were alike, within a second
    request_id text collate "C" not null,
    address inet,
    agent text,
    detail jsonb not null default '{}'
);
create index on larder.audit (at, id);
create index on larder.audit (principal_id, at);
create index on larder.audit (dataset_id, at) where dataset_id is not null;
create index on larder.audit (request_id);

-- The one way in which rows go: the oldest, and never one of the last 30 days, whoever asks. It runs as the owner of the table, which the application's role is not.
create function larder.forget_audit(after_days int, rows_max int) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    forgotten bigint;
begin
    if after_days is null or after_days < 30 then
        raise exception 'the audit of the last 30 days is not forgotten';
    end if;
    delete from larder.audit where id in (
        select id from larder.audit where at < clock_timestamp() - make_interval(days => after_days) order by at limit rows_max
    );
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
revoke all on function larder.forget_audit from public;

-- Who read which dataset, by the hour.
create table larder.reads (
    dataset_id uuid not null,
    hour timestamptz not null,
    principal_id uuid not null,
    principal text collate "C" not null,
    token_id uuid not null, -- of zeros: none
    how text collate "C" not null,
    count bigint not null,
    bytes bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (dataset_id, hour, principal_id, token_id, how)
);
create index on larder.reads (hour);

do $$
begin
    if exists (select from pg_roles where rolname = 'larder_app') then
        revoke all on larder.audit from larder_app;
        grant select, insert on larder.audit to larder_app;
        grant execute on function larder.forget_audit to larder_app;
        grant select, insert, update, delete on larder.reads to larder_app;
    end if;
end
$$;
