-- Changes of a table whose version stays: rows that are appended, indexes, and the answers that a repeated request gets again.

-- Rows added to a version, in the order of their commits. Each keeps its own raw upload.
create table larder.appends (
    id uuid primary key,
    version_id uuid not null references larder.versions,
    position bigint not null, -- within the version, from 1
    object_id uuid not null references larder.objects, -- the raw upload
    content_type text not null,
    content_encoding text,
    row_count bigint not null, -- rows of the file
    row_base bigint not null, -- its row n became `_row` = row_base + n, if it became one of its own
    ingest jsonb not null, -- what was assumed about the file, and its columns
    options jsonb not null default '{}', -- what was told
    created_by uuid not null references larder.principals,
    created_at timestamptz not null default now(),
    unique (version_id, position)
);
create index on larder.appends (object_id);
create index on larder.versions (table_id);

-- Indexes belong to the dataset and name columns, so that a replace builds them anew. On rows.t_{table} one is called rows.i_{id xor table}.
create table larder.indexes (
    id uuid primary key,
    dataset_id uuid not null references larder.datasets,
    columns jsonb not null, -- names, in their order
    is_unique boolean not null,
    is_key boolean not null, -- what `?key=` asked for: unique, and never NULL
    created_at timestamptz not null default now()
);
create unique index indexes_key on larder.indexes (dataset_id) where is_key;
create index on larder.indexes (dataset_id);

-- What a request with an `Idempotency-Key` was answered. Without an answer it is in progress for as long as its pending row lives.
create table larder.idempotency (
    principal_id uuid not null references larder.principals,
    key text collate "C" not null,
    pending_id uuid not null,
    fingerprint bytea, -- SHA-256 of the route, the parameters and the body
    answer jsonb,
    created_at timestamptz not null default now(),
    primary key (principal_id, key)
);
create index on larder.idempotency (created_at);
