-- What the columns of a table hold, computed once for each revision. A later revision's take the place of those before.
create table larder.statistics (
    version_id uuid primary key references larder.versions on delete cascade,
    revision bigint not null, -- of the version, when its rows were read
    form int not null, -- of the content, which a later release may write otherwise
    content json not null, -- the answer as it is sent: `json` keeps every digit
    computed_at timestamptz not null default now()
);
