-- Browsers that have signed in. A session stands for its token: it is over when that is.
create table larder.sessions (
    hash bytea primary key, -- SHA-256 of the cookie's value
    token_id uuid not null references larder.tokens,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index on larder.sessions (token_id);
create index on larder.sessions (expires_at);

-- For what a principal has.
create index on larder.datasets (owner) where deleted_at is null;

do $$
begin
    if exists (select from pg_roles where rolname = 'larder_app') then
        grant select, insert, update, delete on larder.sessions to larder_app;
    end if;
end
$$;
