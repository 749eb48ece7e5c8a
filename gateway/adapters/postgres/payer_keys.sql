-- name: load_by_id
-- The keys of the given payers; their heads are held.
select p.merchant_id, encode(p.payer, 'hex') as payer, p.sealed, p.created_at, p.version
from unnest(:merchant_ids::uuid[], :keys::bytea[]) as k (merchant_id, key)
join payer_keys p on p.merchant_id = k.merchant_id and p.payer = k.key;

-- name: insert
-- Keys of payers that were not known before.
insert into payer_keys (merchant_id, payer, sealed, created_at, version)
select
    f[1]::uuid, decode(f[2], 'hex'), f[3]::bytea, f[4]::timestamptz, f[5]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: read
-- The keys of some payers of a merchant; an erased one is missing.
select p.payer, p.sealed
from payer_keys p
where p.merchant_id = :merchant_id and p.payer = any(:payers::bytea[]);
