-- name: hold_heads
-- Locks the open heads of a batch's merchants, in their order. The transaction's number is what a
-- lost COMMIT is looked up by.
select h.merchant_id, h.seq, pg_current_xact_id()::text as transaction
from heads h
where h.merchant_id = any(:merchant_ids::uuid[]) and h.open
order by h.merchant_id
for update;

-- name: take_heads
-- Takes the open heads of merchants, in their order, moves their sequences by the lines to be told,
-- and tells what they were before, each with its place.
update heads h set seq = h.seq + f[2]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where h.merchant_id = f[1]::uuid and h.open
returning h.seq - f[2]::bigint as base, f[3]::integer as place;

-- name: outcome_of
-- Whether a transaction whose COMMIT was lost is still in progress.
select pg_xact_status(:transaction::text::xid8) as outcome;

-- name: is_backend_alive
-- Whether the server process that ran a lost statement is still there.
select exists (
    select 1 from pg_stat_activity a
    where a.pid = :backend::integer and a.pid <> pg_backend_pid()
) as is_alive;
