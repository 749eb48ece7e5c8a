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
select * from unnest(
    :merchant_id::uuid[], :webhook_endpoint_id::uuid[], :url::text[], :events::jsonb[],
    :description::text[], :status::text[], :fingerprint::bytea[], :fingerprint_key::integer[],
    :secret::bytea[], :secret_before::bytea[], :secret_before_until::timestamptz[],
    :private_key::bytea[], :rotated_at::timestamptz[], :slot::integer[],
    :since_sequence::bigint[], :failing_since::timestamptz[], :created_at::timestamptz[],
    :version::bigint[]
)
returning 1;

-- name: update
-- The changed webhook endpoints, each only where its stored version is the one that was loaded.
update webhook_endpoints w set
    url = k.url, events = k.events, description = k.description, status = k.status,
    fingerprint = k.fingerprint, fingerprint_key = k.fingerprint_key, secret = k.secret,
    secret_before = k.secret_before, secret_before_until = k.secret_before_until,
    rotated_at = k.rotated_at, failing_since = k.failing_since, version = k.version
from unnest(
    :merchant_ids::uuid[], :keys::uuid[], :loaded::bigint[], :url::text[], :events::jsonb[],
    :description::text[], :status::text[], :fingerprint::bytea[], :fingerprint_key::integer[],
    :secret::bytea[], :secret_before::bytea[], :secret_before_until::timestamptz[],
    :rotated_at::timestamptz[], :failing_since::timestamptz[], :version::bigint[]
) as k (
    merchant_id, key, loaded, url, events, description, status, fingerprint, fingerprint_key,
    secret, secret_before, secret_before_until, rotated_at, failing_since, version
)
where w.merchant_id = k.merchant_id and w.webhook_endpoint_id = k.key and w.version = k.loaded
returning 1;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update webhook_endpoints w set replays = w.replays + 1
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
where w.merchant_id = k.merchant_id and w.webhook_endpoint_id = k.key
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
