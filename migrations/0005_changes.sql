-- Changes of single rows: updates and deletes. The rows are kept as they were, so that a change can be taken back for a while.
create table larder.changes (
    id uuid primary key,
    version_id uuid not null references larder.versions,
    kind text not null check (kind in ('update', 'delete')),
    revision bigint not null, -- what it made of the version; the one before is this less one
    table_id uuid, -- rows.t_{id}: the rows as they were, with the columns of then; null once it was undone, or too long ago
    column_count int not null, -- of that table
    row_count bigint not null,
    row_min bigint not null, -- of `_row`
    row_max bigint not null,
    assigned jsonb not null, -- of an update: [position from 0, the new value as text or null]
    created_by uuid not null references larder.principals,
    created_at timestamptz not null default now(),
    undone_by uuid references larder.principals,
    undone_at timestamptz
);
create index on larder.changes (version_id, id);
create index on larder.changes (created_at) where table_id is not null;
