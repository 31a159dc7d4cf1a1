-- As long as one holds, no sweep deletes what garbage names: an export still reads it.
create table larder.holds (
    id uuid primary key,
    held_until timestamptz not null
);
