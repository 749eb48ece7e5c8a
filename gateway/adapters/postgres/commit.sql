-- name: take_heads
-- Locks the open heads of a batch's merchants, in their order, without counting. The transaction's
-- number is what a lost COMMIT is looked up by.
update heads h set seq = h.seq
from unnest(:merchant_ids::uuid[]) as k (merchant_id)
where h.merchant_id = k.merchant_id and h.open
returning h.merchant_id, h.seq, pg_current_xact_id()::text as transaction;

-- name: count_heads
-- Moves the sequences by the rows really written; the heads are held.
update heads h set seq = k.seq
from unnest(:merchant_ids::uuid[], :seqs::bigint[]) as k (merchant_id, seq)
where h.merchant_id = k.merchant_id
returning 1;

-- name: outcome_of
-- Whether a transaction whose COMMIT was lost is still in progress.
select pg_xact_status(:transaction::text::xid8) as outcome;

-- name: is_backend_alive
-- Whether the server process that ran a lost statement is still there.
select exists (
    select 1 from pg_stat_activity a
    where a.pid = :backend::integer and a.pid <> pg_backend_pid()
) as is_alive;
