-- Long work that a client does not wait for. A running job whose lease has passed belongs to a process that is gone: the sweep says that it failed.
create table larder.jobs (
    id uuid primary key,
    principal_id uuid not null references larder.principals,
    kind text not null,
    target text not null, -- the name of what it makes
    state text not null default 'running' check (state in ('running', 'finished', 'failed', 'cancelled')),
    bytes bigint not null default 0,
    rows bigint not null default 0,
    problem jsonb,
    cancel_asked boolean not null default false,
    lease_until timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz
);
create index on larder.jobs (principal_id, created_at);
create index on larder.jobs (lease_until) where state = 'running';
