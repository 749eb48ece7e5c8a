-- name: load_by_id
-- The payments of the given merchants and ids; their heads are held.
select
    p.merchant_id, p.payment_id, p.merchant_order_no, p.fingerprint, p.fingerprint_key,
    p.amount, p.currency, p.subject, p.status, p.livemode, p.capture_method, p.created_at,
    p.expires_at, p.method, p.channel, p.channel_account_id, p.attempt_id, p.channel_order_no,
    p.attempts, p.amount_authorized, p.amount_captured, p.amount_refunded,
    p.amount_refund_pending, p.amount_received, p.payer_amount, p.discount_amount,
    p.next_action, p.error, p.return_url, p.notify_url, p.customer, p.metadata, p.closing_to,
    p.succeeded_at, p.canceled_at, p.expired_at, p.capture_before, p.last_sequence, p.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join payments p on p.merchant_id = k.merchant_id and p.payment_id = k.key;

-- name: load_by_number
-- The payments of the given merchants and order numbers; their heads are held.
select
    p.merchant_id, p.payment_id, p.merchant_order_no, p.fingerprint, p.fingerprint_key,
    p.amount, p.currency, p.subject, p.status, p.livemode, p.capture_method, p.created_at,
    p.expires_at, p.method, p.channel, p.channel_account_id, p.attempt_id, p.channel_order_no,
    p.attempts, p.amount_authorized, p.amount_captured, p.amount_refunded,
    p.amount_refund_pending, p.amount_received, p.payer_amount, p.discount_amount,
    p.next_action, p.error, p.return_url, p.notify_url, p.customer, p.metadata, p.closing_to,
    p.succeeded_at, p.canceled_at, p.expired_at, p.capture_before, p.last_sequence, p.version
from unnest(:merchant_ids::uuid[], :keys::text[]) as k (merchant_id, key)
join payments p on p.merchant_id = k.merchant_id and p.merchant_order_no = k.key;

-- name: insert
-- New payments; their last sequence counts from their merchant's head.
-- scope: chain
insert into payments (
    merchant_id, payment_id, merchant_order_no, fingerprint, fingerprint_key, amount, currency,
    subject, status, livemode, capture_method, created_at, expires_at, method, channel,
    channel_account_id, attempt_id, channel_order_no, attempts, amount_authorized,
    amount_captured, amount_refunded, amount_refund_pending, amount_received, payer_amount,
    discount_amount, next_action, error, return_url, notify_url, customer, metadata,
    closing_to, succeeded_at, canceled_at, expired_at, capture_before, last_sequence, version
)
select
    f[1]::uuid, f[2]::uuid, f[3], f[4]::bytea, f[5]::integer, f[6]::bigint, f[7], f[8], f[9],
    f[10]::boolean, f[11], f[12]::timestamptz, f[13]::timestamptz, f[14], f[15], f[16]::uuid,
    f[17]::uuid, f[18], f[19]::integer, f[20]::bigint, f[21]::bigint, f[22]::bigint, f[23]::bigint,
    f[24]::bigint, f[25]::bigint, f[26]::bigint, f[27]::jsonb, f[28]::jsonb, f[29], f[30],
    f[31]::bytea, f[32]::jsonb, f[33], f[34]::timestamptz, f[35]::timestamptz, f[36]::timestamptz,
    f[37]::timestamptz,
    coalesce(((select h.bases from held h))[f[40]::integer] + f[38]::bigint, 0), f[39]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: update
-- The changed payments, each only where its stored version is the one that was loaded. The last
-- sequence of those that are told of counts from their merchant's head.
-- scope: chain
update payments p set
    status = f[4], method = f[5], channel = f[6], channel_account_id = f[7]::uuid,
    attempt_id = f[8]::uuid, channel_order_no = f[9], attempts = f[10]::integer,
    amount_authorized = f[11]::bigint, amount_captured = f[12]::bigint,
    amount_refunded = f[13]::bigint, amount_refund_pending = f[14]::bigint,
    amount_received = f[15]::bigint, payer_amount = f[16]::bigint, discount_amount = f[17]::bigint,
    next_action = f[18]::jsonb, error = f[19]::jsonb, closing_to = f[20],
    succeeded_at = f[21]::timestamptz, canceled_at = f[22]::timestamptz,
    expired_at = f[23]::timestamptz, capture_before = f[24]::timestamptz,
    last_sequence = coalesce(
        ((select h.bases from held h))[f[27]::integer] + f[25]::bigint, p.last_sequence
    ),
    version = f[26]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where p.merchant_id = f[1]::uuid and p.payment_id = f[2]::uuid and p.version = f[3]::bigint
returning 1;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update payments p set
    replays = p.replays + 1
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where p.merchant_id = f[1]::uuid and p.payment_id = f[2]::uuid
returning 1;

-- name: read_by_id
-- Gathered reads: heads first, so that an open head without a payment means there is none.
select k.ordinal, h.open,
    p.merchant_id, p.payment_id, p.merchant_order_no, p.fingerprint, p.fingerprint_key,
    p.amount, p.currency, p.subject, p.status, p.livemode, p.capture_method, p.created_at,
    p.expires_at, p.method, p.channel, p.channel_account_id, p.attempt_id, p.channel_order_no,
    p.attempts, p.amount_authorized, p.amount_captured, p.amount_refunded,
    p.amount_refund_pending, p.amount_received, p.payer_amount, p.discount_amount,
    p.next_action, p.error, p.return_url, p.notify_url, p.customer, p.metadata, p.closing_to,
    p.succeeded_at, p.canceled_at, p.expired_at, p.capture_before, p.last_sequence, p.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) with ordinality as k (merchant_id, key, ordinal)
left join heads h on h.merchant_id = k.merchant_id
left join payments p on p.merchant_id = k.merchant_id and p.payment_id = k.key;

-- name: read_views
-- Gathered reads of payments as their newest event tells them, where it tells them as they are now.
select k.ordinal, j.data
from unnest(
    string_to_array(:merchant_ids::text, ',')::uuid[],
    string_to_array(:payment_ids::text, ',')::uuid[]
) with ordinality as k (merchant_id, payment_id, ordinal)
join heads h on h.merchant_id = k.merchant_id and h.open
join payments p on p.merchant_id = k.merchant_id and p.payment_id = k.payment_id
join journal j on j.merchant_id = p.merchant_id and j.seq = p.last_sequence
where j.object_id = p.payment_id and j.object_version = p.version and p.customer is null;

-- name: read_by_number
-- The payment of a merchant's order number.
select
    p.merchant_id, p.payment_id, p.merchant_order_no, p.fingerprint, p.fingerprint_key,
    p.amount, p.currency, p.subject, p.status, p.livemode, p.capture_method, p.created_at,
    p.expires_at, p.method, p.channel, p.channel_account_id, p.attempt_id, p.channel_order_no,
    p.attempts, p.amount_authorized, p.amount_captured, p.amount_refunded,
    p.amount_refund_pending, p.amount_received, p.payer_amount, p.discount_amount,
    p.next_action, p.error, p.return_url, p.notify_url, p.customer, p.metadata, p.closing_to,
    p.succeeded_at, p.canceled_at, p.expired_at, p.capture_before, p.last_sequence, p.version
from payments p
where p.merchant_id = :merchant_id and p.merchant_order_no = :number;

-- name: read_by_channel_order_no
-- The payment that a channel knows by this number; the numbers of channels may coincide.
select
    p.merchant_id, p.payment_id, p.merchant_order_no, p.fingerprint, p.fingerprint_key,
    p.amount, p.currency, p.subject, p.status, p.livemode, p.capture_method, p.created_at,
    p.expires_at, p.method, p.channel, p.channel_account_id, p.attempt_id, p.channel_order_no,
    p.attempts, p.amount_authorized, p.amount_captured, p.amount_refunded,
    p.amount_refund_pending, p.amount_received, p.payer_amount, p.discount_amount,
    p.next_action, p.error, p.return_url, p.notify_url, p.customer, p.metadata, p.closing_to,
    p.succeeded_at, p.canceled_at, p.expired_at, p.capture_before, p.last_sequence, p.version
from payments p
where p.merchant_id = :merchant_id and p.payment_id in (
    select a.payment_id from attempts a
    where a.merchant_id = :merchant_id and a.channel_order_no = :number
        and a.channel = any(:channels::text[]))
order by p.payment_id desc
limit 1;

-- name: list_page
-- A page of a merchant's payments, newest first, by the order of their ids.
select
    p.merchant_id, p.payment_id, p.merchant_order_no, p.fingerprint, p.fingerprint_key,
    p.amount, p.currency, p.subject, p.status, p.livemode, p.capture_method, p.created_at,
    p.expires_at, p.method, p.channel, p.channel_account_id, p.attempt_id, p.channel_order_no,
    p.attempts, p.amount_authorized, p.amount_captured, p.amount_refunded,
    p.amount_refund_pending, p.amount_received, p.payer_amount, p.discount_amount,
    p.next_action, p.error, p.return_url, p.notify_url, p.customer, p.metadata, p.closing_to,
    p.succeeded_at, p.canceled_at, p.expired_at, p.capture_before, p.last_sequence, p.version
from payments p
where p.merchant_id = :merchant_id
    and p.payment_id < :before::uuid and p.payment_id >= :from::uuid
    and (:status::text is null or p.status = :status)
order by p.payment_id desc
limit :limit;

-- name: expired
-- Payments whose time is up (a hold's is what its channel said), of the buckets that the worker has
-- leased.
-- scope: buckets
(
    select p.merchant_id, p.payment_id
    from payments p
    where p.expires_at <= :now
        and p.status in ('requires_payment_method', 'processing', 'requires_action')
        and exists (
            select from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
                as k (bucket_from, bucket_to)
            where (((get_byte(uuid_send(p.merchant_id), 6) & 15) << 8)
                | get_byte(uuid_send(p.merchant_id), 7)) between k.bucket_from and k.bucket_to)
    order by p.expires_at
    limit :limit
)
union all
(
    select p.merchant_id, p.payment_id
    from payments p
    where p.capture_before <= :now and p.status = 'requires_capture'
        and exists (
            select from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
                as k (bucket_from, bucket_to)
            where (((get_byte(uuid_send(p.merchant_id), 6) & 15) << 8)
                | get_byte(uuid_send(p.merchant_id), 7)) between k.bucket_from and k.bucket_to)
    order by p.capture_before
    limit :limit
);

-- name: read_awaited
-- Gathered reads of payments whose payers hold the code of their present attempt, as their newest
-- event tells them, where it tells them as they are now. What they wait for is told by it. Each step
-- looks up one row by its key, and `offset 0` keeps the steps in their order: without statistics
-- Postgres would look all payments of a merchant through for the one with the attempt.
select k.ordinal, a.version, p.version, p.last_sequence, a.amount, a.currency, j.data
from unnest(
    string_to_array(:merchant_ids::text, ',')::uuid[],
    string_to_array(:account_ids::text, ',')::uuid[],
    string_to_array(:attempt_ids::text, ',')::uuid[]
) with ordinality as k (merchant_id, account_id, attempt_id, ordinal)
join heads h on h.merchant_id = k.merchant_id and h.open
cross join lateral (
    select t.payment_id, t.version, t.amount, t.currency
    from attempts t
    where t.merchant_id = k.merchant_id and t.attempt_id = k.attempt_id
        and t.status = 'pending_user' and t.channel_account_id = k.account_id
    offset 0
) a
cross join lateral (
    select t.payment_id, t.version, t.last_sequence
    from payments t
    where t.merchant_id = k.merchant_id and t.payment_id = a.payment_id
        and t.attempt_id = k.attempt_id and t.customer is null
    offset 0
) p
cross join lateral (
    select t.data
    from journal t
    where t.merchant_id = k.merchant_id and t.seq = p.last_sequence
        and t.object_id = p.payment_id and t.object_version = p.version
    offset 0
) j
where not exists (
    select from unexpected_funds u
    where u.merchant_id = k.merchant_id and u.attempt_id = k.attempt_id
);
