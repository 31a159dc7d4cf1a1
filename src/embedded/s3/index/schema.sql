-- The index of the embedded S3. Keys are blobs, so that they compare byte by byte, as S3 lists them.
create table bucket (
    id integer primary key,
    name text not null unique,
    created_ms integer not null,
    cors text
) strict;

-- Some bytes: what the segments of one id spell, one behind the other. A file may stand in segments of several contents (copies); it is garbage when in none.
create table content (id integer primary key autoincrement) strict;
create table segment (
    content integer not null references content,
    position integer not null,
    file text not null,
    start integer not null,
    length integer not null,
    primary key (content, position)
) strict, without rowid;
create index segment_file on segment (file);

create table object (
    bucket integer not null references bucket,
    key blob not null,
    size integer not null,
    etag text not null,
    modified_ms integer not null,
    headers text not null,
    checksums text not null,
    composite integer not null,
    content integer not null references content,
    primary key (bucket, key)
) strict, without rowid;

-- The parts that a finished upload was made of.
create table object_part (
    content integer not null references content,
    number integer not null,
    size integer not null,
    checksums text not null,
    primary key (content, number)
) strict, without rowid;

create table upload (
    id text primary key,
    bucket integer not null references bucket,
    key blob not null,
    started_ms integer not null,
    headers text not null,
    algorithm text,
    composite integer not null,
    unique (bucket, key, id)
) strict, without rowid;
create table part (
    upload text not null references upload,
    number integer not null,
    size integer not null,
    etag text not null,
    modified_ms integer not null,
    checksums text not null,
    content integer not null references content,
    primary key (upload, number)
) strict, without rowid;
