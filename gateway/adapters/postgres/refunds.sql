-- name: load_by_id
-- The refunds of the given merchants and ids; their heads are held.
select
    r.merchant_id, r.refund_id, r.payment_id, r.attempt_id, r.merchant_refund_no,
    r.fingerprint, r.fingerprint_key, r.channel, r.channel_account_id, r.amount, r.currency,
    r.status, r.created_at, r.sent_at, r.due_at, r.reason, r.error, r.succeeded_at, r.sends,
    r.queries, r.not_found, r.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join refunds r on r.merchant_id = k.merchant_id and r.refund_id = k.key;

-- name: load_by_number
-- The refunds of the given merchants and refund numbers; their heads are held.
select
    r.merchant_id, r.refund_id, r.payment_id, r.attempt_id, r.merchant_refund_no,
    r.fingerprint, r.fingerprint_key, r.channel, r.channel_account_id, r.amount, r.currency,
    r.status, r.created_at, r.sent_at, r.due_at, r.reason, r.error, r.succeeded_at, r.sends,
    r.queries, r.not_found, r.version
from unnest(:merchant_ids::uuid[], :keys::text[]) as k (merchant_id, key)
join refunds r on r.merchant_id = k.merchant_id and r.merchant_refund_no = k.key;

-- name: insert
-- New refunds.
insert into refunds (
    merchant_id, refund_id, payment_id, attempt_id, merchant_refund_no, fingerprint,
    fingerprint_key, channel, channel_account_id, amount, currency, status, created_at,
    sent_at, due_at, reason, error, succeeded_at, sends, queries, not_found, version
)
select
    f[1]::uuid, f[2]::uuid, f[3]::uuid, f[4]::uuid, f[5], f[6]::bytea, f[7]::integer, f[8],
    f[9]::uuid, f[10]::bigint, f[11], f[12], f[13]::timestamptz, f[14]::timestamptz,
    f[15]::timestamptz, f[16], f[17]::jsonb, f[18]::timestamptz, f[19]::integer, f[20]::integer,
    f[21]::integer, f[22]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: update
-- The changed refunds, each only where its stored version is the one that was loaded.
update refunds r set
    status = f[4], sent_at = f[5]::timestamptz, due_at = f[6]::timestamptz, error = f[7]::jsonb,
    succeeded_at = f[8]::timestamptz, sends = f[9]::integer, queries = f[10]::integer,
    not_found = f[11]::integer, version = f[12]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where r.merchant_id = f[1]::uuid and r.refund_id = f[2]::uuid and r.version = f[3]::bigint
returning 1;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update refunds r set
    replays = r.replays + 1
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where r.merchant_id = f[1]::uuid and r.refund_id = f[2]::uuid
returning 1;

-- name: read_by_id
-- Gathered reads: heads first, so that an open head without a refund means there is none.
select k.ordinal, h.open,
    r.merchant_id, r.refund_id, r.payment_id, r.attempt_id, r.merchant_refund_no,
    r.fingerprint, r.fingerprint_key, r.channel, r.channel_account_id, r.amount, r.currency,
    r.status, r.created_at, r.sent_at, r.due_at, r.reason, r.error, r.succeeded_at, r.sends,
    r.queries, r.not_found, r.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) with ordinality as k (merchant_id, key, ordinal)
left join heads h on h.merchant_id = k.merchant_id
left join refunds r on r.merchant_id = k.merchant_id and r.refund_id = k.key;

-- name: read_by_number
-- The refund of a merchant's refund number.
select
    r.merchant_id, r.refund_id, r.payment_id, r.attempt_id, r.merchant_refund_no,
    r.fingerprint, r.fingerprint_key, r.channel, r.channel_account_id, r.amount, r.currency,
    r.status, r.created_at, r.sent_at, r.due_at, r.reason, r.error, r.succeeded_at, r.sends,
    r.queries, r.not_found, r.version
from refunds r
where r.merchant_id = :merchant_id and r.merchant_refund_no = :number;

-- name: read_by_payment
-- The refunds of a payment, oldest first.
select
    r.merchant_id, r.refund_id, r.payment_id, r.attempt_id, r.merchant_refund_no,
    r.fingerprint, r.fingerprint_key, r.channel, r.channel_account_id, r.amount, r.currency,
    r.status, r.created_at, r.sent_at, r.due_at, r.reason, r.error, r.succeeded_at, r.sends,
    r.queries, r.not_found, r.version
from refunds r
where r.merchant_id = :merchant_id and r.payment_id = :payment_id
order by r.refund_id;

-- name: list_page
-- A page of a merchant's refunds, newest first, by the order of their ids.
select
    r.merchant_id, r.refund_id, r.payment_id, r.attempt_id, r.merchant_refund_no,
    r.fingerprint, r.fingerprint_key, r.channel, r.channel_account_id, r.amount, r.currency,
    r.status, r.created_at, r.sent_at, r.due_at, r.reason, r.error, r.succeeded_at, r.sends,
    r.queries, r.not_found, r.version
from refunds r
where r.merchant_id = :merchant_id
    and r.refund_id < :before::uuid and r.refund_id >= :from::uuid
    and (:payment_id::uuid is null or r.payment_id = :payment_id)
    and (:status::text is null or r.status = :status)
order by r.refund_id desc
limit :limit;

-- name: due
-- Refunds whose silence is to be asked about, of the buckets that the worker has leased.
-- scope: buckets
select r.merchant_id, r.refund_id
from refunds r
where r.due_at <= :now
    and exists (
        select from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
            as k (bucket_from, bucket_to)
        where (((get_byte(uuid_send(r.merchant_id), 6) & 15) << 8)
            | get_byte(uuid_send(r.merchant_id), 7)) between k.bucket_from and k.bucket_to)
order by r.due_at
limit :limit;
