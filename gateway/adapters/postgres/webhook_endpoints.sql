-- name: load_by_id
-- The webhook endpoints of the given merchants and ids; their heads are held.
select
    w.merchant_id, w.webhook_endpoint_id, w.url, w.events, w.description, w.status,
    w.fingerprint, w.fingerprint_key, w.secret, w.secret_before, w.secret_before_until,
    w.private_key, w.rotated_at, w.slot, w.since_sequence, w.failing_since, w.created_at,
    w.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join webhook_endpoints w on w.merchant_id = k.merchant_id and w.webhook_endpoint_id = k.key;

-- name: load_by_url
-- The living endpoints of the given URLs; their heads are held.
select
    w.merchant_id, w.webhook_endpoint_id, w.url, w.events, w.description, w.status,
    w.fingerprint, w.fingerprint_key, w.secret, w.secret_before, w.secret_before_until,
    w.private_key, w.rotated_at, w.slot, w.since_sequence, w.failing_since, w.created_at,
    w.version
from unnest(:merchant_ids::uuid[], :keys::text[]) as k (merchant_id, key)
join webhook_endpoints w
    on w.merchant_id = k.merchant_id and w.url = k.key and w.status <> 'deleted';

-- name: load_by_slot
-- The living endpoints in the given slots; their heads are held.
select
    w.merchant_id, w.webhook_endpoint_id, w.url, w.events, w.description, w.status,
    w.fingerprint, w.fingerprint_key, w.secret, w.secret_before, w.secret_before_until,
    w.private_key, w.rotated_at, w.slot, w.since_sequence, w.failing_since, w.created_at,
    w.version
from unnest(:merchant_ids::uuid[], :keys::integer[]) as k (merchant_id, key)
join webhook_endpoints w
    on w.merchant_id = k.merchant_id and w.slot = k.key and w.status <> 'deleted';

-- name: insert
-- New webhook endpoints.
insert into webhook_endpoints (
    merchant_id, webhook_endpoint_id, url, events, description, status, fingerprint,
    fingerprint_key, secret, secret_before, secret_before_until, private_key, rotated_at, slot,
    since_sequence, failing_since, created_at, version
)
select
    f[1]::uuid, f[2]::uuid, f[3], f[4]::jsonb, f[5], f[6], f[7]::bytea, f[8]::integer, f[9]::bytea,
    f[10]::bytea, f[11]::timestamptz, f[12]::bytea, f[13]::timestamptz, f[14]::integer,
    f[15]::bigint, f[16]::timestamptz, f[17]::timestamptz, f[18]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: update
-- The changed webhook endpoints, each only where its stored version is the one that was loaded.
update webhook_endpoints w set
    url = f[4], events = f[5]::jsonb, description = f[6], status = f[7], fingerprint = f[8]::bytea,
    fingerprint_key = f[9]::integer, secret = f[10]::bytea, secret_before = f[11]::bytea,
    secret_before_until = f[12]::timestamptz, rotated_at = f[13]::timestamptz,
    failing_since = f[14]::timestamptz, version = f[15]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where w.merchant_id = f[1]::uuid and w.webhook_endpoint_id = f[2]::uuid and w.version = f[3]::bigint
returning 1;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update webhook_endpoints w set
    replays = w.replays + 1
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where w.merchant_id = f[1]::uuid and w.webhook_endpoint_id = f[2]::uuid
returning 1;

-- name: read_by_id
-- One endpoint, unless it was deleted.
select
    w.merchant_id, w.webhook_endpoint_id, w.url, w.events, w.description, w.status,
    w.fingerprint, w.fingerprint_key, w.secret, w.secret_before, w.secret_before_until,
    w.private_key, w.rotated_at, w.slot, w.since_sequence, w.failing_since, w.created_at,
    w.version
from webhook_endpoints w
where w.merchant_id = :merchant_id and w.webhook_endpoint_id = :webhook_endpoint_id
    and w.status <> 'deleted';

-- name: read_by_merchant
-- The living endpoints of a merchant, newest first; there are at most sixteen.
select
    w.merchant_id, w.webhook_endpoint_id, w.url, w.events, w.description, w.status,
    w.fingerprint, w.fingerprint_key, w.secret, w.secret_before, w.secret_before_until,
    w.private_key, w.rotated_at, w.slot, w.since_sequence, w.failing_since, w.created_at,
    w.version
from webhook_endpoints w
where w.merchant_id = :merchant_id and w.status <> 'deleted'
order by w.webhook_endpoint_id desc;

-- name: read_enabled
-- The enabled endpoints of the given merchants, for those who relay their events.
-- scope: buckets
select
    w.merchant_id, w.webhook_endpoint_id, w.url, w.events, w.description, w.status,
    w.fingerprint, w.fingerprint_key, w.secret, w.secret_before, w.secret_before_until,
    w.private_key, w.rotated_at, w.slot, w.since_sequence, w.failing_since, w.created_at,
    w.version
from unnest(:merchant_ids::uuid[]) as k (merchant_id)
join webhook_endpoints w on w.merchant_id = k.merchant_id and w.status = 'enabled';

-- name: read_many
-- The given endpoints as they are now, also disabled and deleted ones.
-- scope: buckets
select
    w.merchant_id, w.webhook_endpoint_id, w.url, w.events, w.description, w.status,
    w.fingerprint, w.fingerprint_key, w.secret, w.secret_before, w.secret_before_until,
    w.private_key, w.rotated_at, w.slot, w.since_sequence, w.failing_since, w.created_at,
    w.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join webhook_endpoints w on w.merchant_id = k.merchant_id and w.webhook_endpoint_id = k.key;
