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
select
    f[1]::uuid, f[2]::uuid, f[3]::uuid, f[4], f[5], f[6]::bigint, f[7], f[8], f[9]::bigint,
    f[10]::uuid, f[11]::uuid, f[12]::uuid, f[13], f[14]::timestamptz, f[15]::timestamptz,
    f[16]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update statement_lines l set
    replays = l.replays + 1
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where l.merchant_id = f[1]::uuid and l.statement_line_id = f[2]::uuid
returning 1;

-- name: load_tally
-- What lines have brought for the given attempts; their heads are held.
select t.merchant_id, t.attempt_id, t.received, t.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join transfer_tallies t on t.merchant_id = k.merchant_id and t.attempt_id = k.key;

-- name: insert_tally
-- Attempts for which a line has come for the first time.
insert into transfer_tallies (merchant_id, attempt_id, received, version)
select
    f[1]::uuid, f[2]::uuid, f[3]::bigint, f[4]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: update_tally
-- The changed tallies, each only where its stored version is the one that was loaded.
update transfer_tallies t set
    received = f[4]::bigint, version = f[5]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where t.merchant_id = f[1]::uuid and t.attempt_id = f[2]::uuid and t.version = f[3]::bigint
returning 1;
