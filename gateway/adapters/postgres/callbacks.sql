-- name: load_by_id
-- Which of the given callbacks were seen before; their heads are held. A key is attempt and effect.
select c.merchant_id, c.attempt_id, c.dedupe_key, c.channel, c.received_at, c.version
from unnest(:merchant_ids::uuid[], :attempt_ids::uuid[], :keys::text[])
    as k (merchant_id, attempt_id, key)
join callbacks c on c.merchant_id = k.merchant_id and c.attempt_id = k.attempt_id
    and c.dedupe_key = k.key;

-- name: insert
-- Callbacks that took effect, one row per business effect.
insert into callbacks (merchant_id, attempt_id, dedupe_key, channel, received_at, version)
select
    f[1]::uuid, f[2]::uuid, f[3], f[4], f[5]::timestamptz, f[6]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: read_by_attempts
-- The callbacks of a payment's attempts, for its timeline.
select c.attempt_id, c.dedupe_key, c.channel, c.received_at
from callbacks c
where c.merchant_id = :merchant_id and c.attempt_id = any(:attempt_ids::uuid[])
order by c.received_at;
