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
select
    f[1]::uuid, f[2]::bytea, f[3]::bytea, f[4]::timestamptz, f[5]::bytea, f[6]::timestamptz,
    f[7]::timestamptz, f[8]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: update
-- The rotated secrets, each only where its stored version is the one that was loaded.
update notify_secrets n set
    secret = f[4]::bytea, secret_before = f[5]::bytea, secret_before_until = f[6]::timestamptz,
    rotated_at = f[7]::timestamptz, version = f[8]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where n.merchant_id = f[1]::uuid and n.merchant_id = f[2]::uuid and n.version = f[3]::bigint
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
update notify_secrets n set
    replays = n.replays + 1
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where n.merchant_id = f[1]::uuid and n.merchant_id = f[2]::uuid
returning 1;

-- name: read_many
-- The notify secrets of the given merchants.
-- scope: buckets
select
    n.merchant_id, n.secret, n.secret_before, n.secret_before_until, n.private_key,
    n.rotated_at, n.created_at, n.version
from unnest(:merchant_ids::uuid[]) as k (merchant_id)
join notify_secrets n on n.merchant_id = k.merchant_id;
