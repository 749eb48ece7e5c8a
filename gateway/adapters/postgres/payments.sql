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
-- New payments.
insert into payments (
    merchant_id, payment_id, merchant_order_no, fingerprint, fingerprint_key, amount, currency,
    subject, status, livemode, capture_method, created_at, expires_at, method, channel,
    channel_account_id, attempt_id, channel_order_no, attempts, amount_authorized,
    amount_captured, amount_refunded, amount_refund_pending, amount_received, payer_amount,
    discount_amount, next_action, error, return_url, notify_url, customer, metadata,
    closing_to, succeeded_at, canceled_at, expired_at, capture_before, last_sequence, version
)
select * from unnest(
    :merchant_id::uuid[], :payment_id::uuid[], :merchant_order_no::text[],
    :fingerprint::bytea[], :fingerprint_key::integer[], :amount::bigint[], :currency::text[],
    :subject::text[], :status::text[], :livemode::boolean[], :capture_method::text[],
    :created_at::timestamptz[], :expires_at::timestamptz[], :method::text[], :channel::text[],
    :channel_account_id::uuid[], :attempt_id::uuid[], :channel_order_no::text[],
    :attempts::integer[], :amount_authorized::bigint[], :amount_captured::bigint[],
    :amount_refunded::bigint[], :amount_refund_pending::bigint[], :amount_received::bigint[],
    :payer_amount::bigint[], :discount_amount::bigint[], :next_action::jsonb[],
    :error::jsonb[], :return_url::text[], :notify_url::text[], :customer::bytea[],
    :metadata::jsonb[], :closing_to::text[], :succeeded_at::timestamptz[],
    :canceled_at::timestamptz[], :expired_at::timestamptz[], :capture_before::timestamptz[],
    :last_sequence::bigint[], :version::bigint[]
)
returning 1;

-- name: update
-- The changed payments, each only where its stored version is the one that was loaded.
update payments p set
    status = k.status, method = k.method, channel = k.channel,
    channel_account_id = k.channel_account_id, attempt_id = k.attempt_id,
    channel_order_no = k.channel_order_no, attempts = k.attempts,
    amount_authorized = k.amount_authorized, amount_captured = k.amount_captured,
    amount_refunded = k.amount_refunded, amount_refund_pending = k.amount_refund_pending,
    amount_received = k.amount_received, payer_amount = k.payer_amount,
    discount_amount = k.discount_amount, next_action = k.next_action, error = k.error,
    closing_to = k.closing_to, succeeded_at = k.succeeded_at, canceled_at = k.canceled_at,
    expired_at = k.expired_at, capture_before = k.capture_before,
    last_sequence = k.last_sequence, version = k.version
from unnest(
    :merchant_ids::uuid[], :keys::uuid[], :loaded::bigint[], :status::text[], :method::text[],
    :channel::text[], :channel_account_id::uuid[], :attempt_id::uuid[],
    :channel_order_no::text[], :attempts::integer[], :amount_authorized::bigint[],
    :amount_captured::bigint[], :amount_refunded::bigint[], :amount_refund_pending::bigint[],
    :amount_received::bigint[], :payer_amount::bigint[], :discount_amount::bigint[],
    :next_action::jsonb[], :error::jsonb[], :closing_to::text[], :succeeded_at::timestamptz[],
    :canceled_at::timestamptz[], :expired_at::timestamptz[], :capture_before::timestamptz[],
    :last_sequence::bigint[], :version::bigint[]
) as k (
    merchant_id, key, loaded, status, method, channel, channel_account_id, attempt_id,
    channel_order_no, attempts, amount_authorized, amount_captured, amount_refunded,
    amount_refund_pending, amount_received, payer_amount, discount_amount, next_action, error,
    closing_to, succeeded_at, canceled_at, expired_at, capture_before, last_sequence, version
)
where p.merchant_id = k.merchant_id and p.payment_id = k.key and p.version = k.loaded
returning 1;

-- name: touch
-- Counts a repeat on its row: a repeated answer must wait for replication like any write.
update payments p set replays = p.replays + 1
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
where p.merchant_id = k.merchant_id and p.payment_id = k.key
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
