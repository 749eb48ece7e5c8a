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
select * from unnest(
    :merchant_id::uuid[], :unexpected_funds_id::uuid[], :payment_id::uuid[],
    :attempt_id::uuid[], :channel_account_id::uuid[], :channel_order_no::text[],
    :amount::bigint[], :currency::text[], :cause::text[], :status::text[],
    :created_at::timestamptz[], :version::bigint[], :statement_line_id::uuid[]
)
returning 1;

-- name: update
-- The changed unexpected funds, each only where its stored version is the one that was loaded.
update unexpected_funds u set
    status = k.status, version = k.version
from unnest(
    :merchant_ids::uuid[], :keys::uuid[], :loaded::bigint[], :status::text[],
    :version::bigint[]
) as k (
    merchant_id, key, loaded, status, version
)
where u.merchant_id = k.merchant_id and u.unexpected_funds_id = k.key and u.version = k.loaded
returning 1;
