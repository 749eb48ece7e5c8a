-- name: load_by_id
-- The statement lines of the given merchants and ids; their heads are held.
select
    l.merchant_id, l.statement_line_id, l.channel_account_id, l.line_key, l.direction, l.amount,
    l.currency, l.verdict, l.suspended, l.payment_id, l.attempt_id, l.refund_id,
    l.bank_reference, l.booked_at, l.created_at, l.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join statement_lines l on l.merchant_id = k.merchant_id and l.statement_line_id = k.key;

-- name: load_by_key
-- Which of the given lines were imported before; their heads are held.
select
    l.merchant_id, l.statement_line_id, l.channel_account_id, l.line_key, l.direction, l.amount,
    l.currency, l.verdict, l.suspended, l.payment_id, l.attempt_id, l.refund_id,
    l.bank_reference, l.booked_at, l.created_at, l.version
from unnest(:merchant_ids::uuid[], :keys::text[]) as k (merchant_id, key)
join statement_lines l on l.merchant_id = k.merchant_id and l.line_key = k.key;

-- name: insert
-- New statement lines.
insert into statement_lines (
    merchant_id, statement_line_id, channel_account_id, line_key, direction, amount, currency,
    verdict, suspended, payment_id, attempt_id, refund_id, bank_reference, booked_at, created_at,
    version
)
select * from unnest(
    :merchant_id::uuid[], :statement_line_id::uuid[], :channel_account_id::uuid[],
    :line_key::text[], :direction::text[], :amount::bigint[], :currency::text[],
    :verdict::text[], :suspended::bigint[], :payment_id::uuid[], :attempt_id::uuid[],
    :refund_id::uuid[], :bank_reference::text[], :booked_at::timestamptz[],
    :created_at::timestamptz[], :version::bigint[]
)
returning 1;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update statement_lines l set replays = l.replays + 1
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
where l.merchant_id = k.merchant_id and l.statement_line_id = k.key
returning 1;

-- name: load_tally
-- What lines have brought for the given attempts; their heads are held.
select t.merchant_id, t.attempt_id, t.received, t.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join transfer_tallies t on t.merchant_id = k.merchant_id and t.attempt_id = k.key;

-- name: insert_tally
-- Attempts for which a line has come for the first time.
insert into transfer_tallies (merchant_id, attempt_id, received, version)
select * from unnest(
    :merchant_id::uuid[], :attempt_id::uuid[], :received::bigint[], :version::bigint[]
)
returning 1;

-- name: update_tally
-- The changed tallies, each only where its stored version is the one that was loaded.
update transfer_tallies t set received = k.received, version = k.version
from unnest(
    :merchant_ids::uuid[], :keys::uuid[], :loaded::bigint[], :received::bigint[],
    :version::bigint[]
) as k (merchant_id, key, loaded, received, version)
where t.merchant_id = k.merchant_id and t.attempt_id = k.key and t.version = k.loaded
returning 1;
