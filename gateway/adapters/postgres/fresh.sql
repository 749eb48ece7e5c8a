-- name: create
-- A whole batch of new payments that nobody has been asked to pay yet: heads, payments, journal. It
-- answers how many payments were new; if not all were, the caller rolls back and goes the long way.
-- Every column is one text, its values parted by unit separators (which no text of ours may hold),
-- nulls written as a record separator: to encode them one by one would cost more than the rest.
with taken as (
    update heads h set seq = h.seq + k.lines
    from unnest(
        string_to_array(:head_ids::text, e'\x1f')::uuid[],
        string_to_array(:head_lines::text, e'\x1f')::bigint[]
    ) as k (merchant_id, lines)
    where h.merchant_id = k.merchant_id and h.open
    returning h.merchant_id, h.seq - k.lines as base
),
given as (
    select g.*, t.base + g.line as seq
    from unnest(
        string_to_array(:merchant_ids::text, e'\x1f')::uuid[],
        string_to_array(:payment_ids::text, e'\x1f')::uuid[],
        string_to_array(:merchant_order_nos::text, e'\x1f'),
        string_to_array(:fingerprints::text, e'\x1f')::bytea[],
        string_to_array(:fingerprint_keys::text, e'\x1f')::integer[],
        string_to_array(:amounts::text, e'\x1f')::bigint[],
        string_to_array(:currencies::text, e'\x1f'),
        string_to_array(:subjects::text, e'\x1f'),
        string_to_array(:livemodes::text, e'\x1f')::boolean[],
        string_to_array(:capture_methods::text, e'\x1f'),
        string_to_array(:created_ats::text, e'\x1f')::timestamptz[],
        string_to_array(:expires_ats::text, e'\x1f')::timestamptz[],
        string_to_array(:return_urls::text, e'\x1f', e'\x1e'),
        string_to_array(:notify_urls::text, e'\x1f', e'\x1e'),
        string_to_array(:metadatas::text, e'\x1f')::jsonb[],
        string_to_array(:lines::text, e'\x1f')::bigint[],
        string_to_array(:actors::text, e'\x1f'),
        string_to_array(:request_ids::text, e'\x1f', e'\x1e'),
        string_to_array(:datas::text, e'\x1f')
    ) as g (
        merchant_id, payment_id, merchant_order_no, fingerprint, fingerprint_key, amount,
        currency, subject, livemode, capture_method, created_at, expires_at, return_url,
        notify_url, metadata, line, actor, request_id, data)
    join taken t on t.merchant_id = g.merchant_id
),
made as (
    insert into payments (
        merchant_id, payment_id, merchant_order_no, fingerprint, fingerprint_key, amount,
        currency, subject, status, livemode, capture_method, created_at, expires_at, attempts,
        amount_authorized, amount_captured, amount_refunded, amount_refund_pending,
        amount_received, return_url, notify_url, metadata, last_sequence, version)
    select
        g.merchant_id, g.payment_id, g.merchant_order_no, g.fingerprint, g.fingerprint_key,
        g.amount, g.currency, g.subject, 'requires_payment_method', g.livemode,
        g.capture_method, g.created_at, g.expires_at, 0, 0, 0, 0, 0, 0, g.return_url,
        g.notify_url, g.metadata, g.seq, 1
    from given g
    on conflict do nothing
    returning 1
),
told as (
    insert into journal (
        merchant_id, seq, at, type, object_id, object_version, actor, request_id, data)
    select
        g.merchant_id, g.seq, g.created_at, 'payment.created', g.payment_id, 1, g.actor,
        g.request_id, g.data
    from given g
    returning 1
)
select (select count(*) from made) as made, (select count(*) from told) as told,
    pg_current_xact_id()::text as transaction;
