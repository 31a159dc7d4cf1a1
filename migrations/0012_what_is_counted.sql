-- The drop box that an upload goes to, and the bytes that are kept free for it there: `upload_bytes` and `upload_files` of a share are those of files that it has kept.
alter table larder.pending
    add column share_id uuid,
    add column share_bytes bigint;
create index on larder.pending (share_id) where share_id is not null;

-- Of a collection: the bytes of its documents as they are read, hidden ones left out. Added up behind each write, a moment later; a crash of the process loses that moment.
alter table larder.datasets add column document_bytes bigint not null default 0;
