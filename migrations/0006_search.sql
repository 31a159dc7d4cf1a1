-- Searching the words of a table. An index of kind `search` stands over all text columns of a version, whichever they are; it is built after the version is there.
alter table larder.indexes add column kind text not null default 'btree' check (kind in ('btree', 'search'));
create unique index indexes_search on larder.indexes (dataset_id) where kind = 'search';

-- One building of a search index on one physical table; what it makes is called rows.s_{id}. What is lacking follows from the current versions, so that nothing has
-- to remember to ask for it.
create table larder.search_builds (
    id uuid primary key,
    index_id uuid not null,
    table_id uuid not null,
    columns int[] not null, -- positions of the text columns, from 0: with others the index is of no use
    state text not null check (state in ('building', 'ready', 'failed', 'dropped')), -- a dropped one goes as soon as Postgres lets it
    lease_until timestamptz not null, -- while it is built
    created_at timestamptz not null default now()
);
create unique index search_builds_running on larder.search_builds (index_id, table_id) where state = 'building';
create index on larder.search_builds (table_id);
create index on larder.search_builds (index_id);

-- The words of many columns of a row, where naming each of them would be too long for an index: `chosen` has an `x` at the place of each.
create function larder.words(one anyelement, chosen text) returns tsvector language sql immutable parallel safe cost 1000 as $$
    select to_tsvector('simple', left(coalesce(string_agg(left(value, 20000), ' ' order by length(key), key), ''), 60000))
    from jsonb_each_text(to_jsonb(one)) where case when key ~ '^c[0-9]+$' then substr(chosen, substr(key, 2)::int, 1) = 'x' end
$$;
