-- What a token may do, when it was last used, and which token made it; datasets that everybody may read.
alter table larder.tokens
    add column scopes text[] not null default '{admin:**}', -- `action:pattern`; the default is all that its principal may do
    add column last_used_at timestamptz, -- exact to a minute, so that not every request writes
    add column made_by uuid references larder.tokens; -- a token of the same principal: who revokes that one revokes this one too
create index on larder.tokens (made_by) where made_by is not null;

alter table larder.datasets
    drop constraint datasets_visibility_check,
    add constraint datasets_visibility_check check (visibility in ('team', 'private', 'public'));
