-- name: load_by_id
-- The notify secrets of the given merchants; their heads are held.
select
    n.merchant_id, n.secret, n.secret_before, n.secret_before_until, n.private_key,
    n.rotated_at, n.created_at, n.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join notify_secrets n on n.merchant_id = k.key and n.merchant_id = k.merchant_id;

-- name: insert
-- New notify secrets.
insert into notify_secrets (
    merchant_id, secret, secret_before, secret_before_until, private_key, rotated_at, created_at,
    version
)
select * from unnest(
    :merchant_id::uuid[], :secret::bytea[], :secret_before::bytea[],
    :secret_before_until::timestamptz[], :private_key::bytea[], :rotated_at::timestamptz[],
    :created_at::timestamptz[], :version::bigint[]
)
returning 1;

-- name: update
-- The rotated secrets, each only where its stored version is the one that was loaded.
update notify_secrets n set
    secret = k.secret, secret_before = k.secret_before,
    secret_before_until = k.secret_before_until, rotated_at = k.rotated_at, version = k.version
from unnest(
    :merchant_ids::uuid[], :keys::uuid[], :loaded::bigint[], :secret::bytea[],
    :secret_before::bytea[], :secret_before_until::timestamptz[], :rotated_at::timestamptz[],
    :version::bigint[]
) as k (
    merchant_id, key, loaded, secret, secret_before, secret_before_until, rotated_at, version
)
where n.merchant_id = k.merchant_id and n.merchant_id = k.key and n.version = k.loaded
returning 1;

-- name: read
-- The notify secret of a merchant.
select
    n.merchant_id, n.secret, n.secret_before, n.secret_before_until, n.private_key,
    n.rotated_at, n.created_at, n.version
from notify_secrets n
where n.merchant_id = :merchant_id;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update notify_secrets n set replays = n.replays + 1
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
where n.merchant_id = k.merchant_id and n.merchant_id = k.key
returning 1;

-- name: read_many
-- The notify secrets of the given merchants.
-- scope: buckets
select
    n.merchant_id, n.secret, n.secret_before, n.secret_before_until, n.private_key,
    n.rotated_at, n.created_at, n.version
from unnest(:merchant_ids::uuid[]) as k (merchant_id)
join notify_secrets n on n.merchant_id = k.merchant_id;
