-- What a link gives, to whom, how often, and who used it.
alter table larder.shares
    alter column dataset_id drop not null, -- null: of a folder
    alter column expires_at drop not null, -- null: never
    add column folder text collate "C", -- a prefix of the keys of blobs
    add column query text, -- of a table: all that it shows, as in a URL
    add column format text, -- the one extension in which it gives a table
    add column pinned boolean not null default false, -- to one version, for ever
    add column version_id uuid references larder.versions on delete set null, -- that version
    add column label text,
    add column password text, -- argon2id, as a PHC string
    add column may_view boolean not null default true,
    add column may_download boolean not null default true,
    add column may_upload boolean not null default false,
    add column downloads_max int,
    add column downloads int not null default 0, -- those whose bytes have all gone out
    add column upload_bytes_max bigint,
    add column upload_files_max int,
    add column upload_bytes bigint not null default 0, -- those under way at their greatest
    add column upload_files int not null default 0,
    add check (num_nonnulls(dataset_id, folder) = 1);
create index on larder.shares (version_id) where version_id is not null;
create index on larder.shares (created_by);

-- A place among those that `downloads_max` allows. It is held as long as its lease lasts, and for ever once all bytes have gone out.
create table larder.share_downloads (
    id uuid primary key,
    share_id uuid not null references larder.shares on delete cascade,
    cookie bytea not null, -- SHA-256 of the client's, or of the one that it was given
    origin bytea not null, -- the same of its address and agent
    etag text not null, -- of what it gets
    size_bytes bigint not null, -- 1 where nobody knows
    granted_bytes bigint not null, -- those sent and those promised
    given int8multirange not null default '{}',
    promised int8multirange not null, -- in answers under way
    running int not null, -- answers under way
    lease_until timestamptz not null,
    confirmed_at timestamptz,
    created_at timestamptz not null default now()
);
create index on larder.share_downloads (share_id);

-- The log of a link. Ids sort by time.
alter table larder.share_hits
    add column id uuid not null default gen_random_uuid(),
    add column bytes bigint, -- sent; null where the bytes do not pass us, or nobody could count them
    add column format text,
    add column agent text,
    add column network text,
    add column path text; -- below a folder
update larder.share_hits set id = overlay(
    id::text placing substr(lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0'), 1, 8) || '-' ||
    substr(lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0'), 9, 4) || '-7' from 1 for 15)::uuid;
alter table larder.share_hits add primary key (share_id, id);
drop index larder.share_hits_share_id_at_idx;

-- Rows of a table as a file that can be read by ranges of bytes: made once for a state of a version and what is asked of it.
create table larder.renditions (
    id uuid primary key,
    version_id uuid not null references larder.versions,
    revision bigint not null,
    asked text not null, -- a hash
    object_id uuid not null references larder.objects,
    used_at timestamptz not null default now(),
    unique (version_id, revision, asked)
);
create index on larder.renditions (object_id);

-- Those that a link holds: no sweep of versions, and no change of rows, touches them.
create index versions_pinned on larder.versions (dataset_id) where pinned;
