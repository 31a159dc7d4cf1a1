-- The catalogue: what there is, who owns it, what is being written and what is to be swept. Physical tables of users' rows live in the schema `rows`.
create schema rows;

-- One row. The same id stands in the bucket and in the DynamoDB table, once each has been marked.
create table larder.installation (
    only_one boolean primary key default true check (only_one),
    id uuid not null,
    objects_marked boolean not null default false,
    documents_marked boolean not null default false
);
insert into larder.installation (id) values (gen_random_uuid());

create table larder.principals (
    id uuid primary key,
    name text collate "C" not null unique,
    kind text not null check (kind in ('person', 'program')),
    admin boolean not null default false,
    disabled_at timestamptz,
    created_at timestamptz not null default now()
);

create table larder.tokens (
    id uuid primary key,
    principal_id uuid not null references larder.principals,
    name text not null,
    hash bytea not null unique, -- SHA-256 of the token
    prefix text not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);
create index on larder.tokens (principal_id);

-- An immutable object in the bucket, at `objects/{id}`. It becomes garbage when no version refers to it.
create table larder.objects (
    id uuid primary key,
    size_bytes bigint not null,
    sha256 bytea,
    crc64nvme bytea not null,
    created_at timestamptz not null default now()
);

create table larder.datasets (
    id uuid primary key,
    kind text not null check (kind in ('blob', 'table', 'collection')),
    name text collate "C" not null,
    title text not null,
    original_name text, -- the file name of the smart upload that made it
    owner uuid not null references larder.principals,
    visibility text not null check (visibility in ('team', 'private')),
    current uuid, -- the version that readers see; null for a collection
    shards int, -- of a collection, fixed at its creation
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create unique index datasets_name on larder.datasets (kind, name) where deleted_at is null;
create index datasets_deleted on larder.datasets (deleted_at) where deleted_at is not null;

create table larder.versions (
    id uuid primary key,
    dataset_id uuid not null references larder.datasets,
    number bigint not null,
    object_id uuid not null references larder.objects, -- the blob, or a table's raw upload
    content_type text not null,
    content_encoding text,
    table_id uuid, -- rows.t_{id}
    columns jsonb, -- [{"name","type"}], in the order of c1…cN
    row_count bigint,
    ingest jsonb, -- what was assumed about the file
    options jsonb not null default '{}', -- what was told; identical bytes and options are the same version
    revision bigint not null default 0, -- changes of rows since the version was made
    pinned boolean not null default false,
    created_by uuid not null references larder.principals,
    created_at timestamptz not null default now(),
    unique (dataset_id, number)
);
create index on larder.versions (object_id);
alter table larder.datasets add foreign key (current) references larder.versions deferrable initially deferred;

-- What an upload in progress has made or is about to make. The commit that publishes deletes the row, and fails if it is gone.
-- `old_object_id`, `collection_id`, `document_id`: a document commits in DynamoDB, so the row also says where to look which of the two objects won.
create table larder.pending (
    id uuid primary key,
    object_id uuid,
    multipart_id text,
    table_id uuid,
    collection_id uuid,
    document_id text,
    old_object_id uuid,
    lease_until timestamptz not null,
    created_at timestamptz not null default now()
);
create index on larder.pending (lease_until);

-- What nothing refers to any more, or never will. The only place from which anything is ever deleted.
create table larder.garbage (
    id uuid primary key,
    object_id uuid,
    multipart_id text,
    table_id uuid,
    collection_id uuid,
    shards int,
    due_at timestamptz not null,
    created_at timestamptz not null default now()
);
create index on larder.garbage (due_at);

-- A link. Its token is derived from id and generation, so it is nowhere in the database.
create table larder.shares (
    id uuid primary key,
    generation int not null default 1,
    dataset_id uuid not null references larder.datasets,
    document_id text, -- of a collection
    incarnation text, -- of that document: one that is made anew under the same id is another
    created_by uuid not null references larder.principals,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);
create index on larder.shares (dataset_id);

create table larder.share_hits (
    share_id uuid not null references larder.shares,
    at timestamptz not null default now(),
    outcome text not null,
    request_id text not null
);
create index on larder.share_hits (share_id, at);
