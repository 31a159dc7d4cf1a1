-- How many writes of documents have begun, and how many of them have ended for certain, by collection and a hash of the id. A write is counted before it is sent: what was read while none was
-- under way is the document for as long as no other has begun.
create table larder.document_writes (
    collection_id uuid not null references larder.datasets on delete cascade,
    bucket int not null,
    begun bigint not null,
    ended bigint not null default 0, -- of one whose answer was lost nobody knows, until it is a day old
    at timestamptz not null default now(), -- the last one began
    primary key (collection_id, bucket)
) with (fillfactor = 50);

create function larder.document_bucket(document_id text) returns int
language sql immutable strict parallel safe as $$ select hashtext(document_id) & 255 $$;
