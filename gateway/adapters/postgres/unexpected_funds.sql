-- name: load_by_id
-- The unexpected funds of the given merchants and ids; their heads are held.
select
    u.merchant_id, u.unexpected_funds_id, u.payment_id, u.attempt_id, u.channel_account_id,
    u.channel_order_no, u.amount, u.currency, u.cause, u.status, u.created_at, u.version,
    u.statement_line_id
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join unexpected_funds u on u.merchant_id = k.merchant_id and u.unexpected_funds_id = k.key;

-- name: load_by_attempt
-- The unexpected funds of the given attempts, those of statement lines too; their heads are held.
select
    u.merchant_id, u.unexpected_funds_id, u.payment_id, u.attempt_id, u.channel_account_id,
    u.channel_order_no, u.amount, u.currency, u.cause, u.status, u.created_at, u.version,
    u.statement_line_id
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join unexpected_funds u on u.merchant_id = k.merchant_id and u.attempt_id = k.key;

-- name: insert
-- New unexpected funds.
insert into unexpected_funds (
    merchant_id, unexpected_funds_id, payment_id, attempt_id, channel_account_id,
    channel_order_no, amount, currency, cause, status, created_at, version, statement_line_id
)
select
    f[1]::uuid, f[2]::uuid, f[3]::uuid, f[4]::uuid, f[5]::uuid, f[6], f[7]::bigint, f[8], f[9],
    f[10], f[11]::timestamptz, f[12]::bigint, f[13]::uuid
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: update
-- The changed unexpected funds, each only where its stored version is the one that was loaded.
update unexpected_funds u set
    status = f[4], version = f[5]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where u.merchant_id = f[1]::uuid and u.unexpected_funds_id = f[2]::uuid and u.version = f[3]::bigint
returning 1;
