-- name: create
-- A whole batch of new payments that nobody has been asked to pay yet: heads, payments, journal. It
-- is its own transaction, so that a batch is one round trip. A payment that is not new breaks its
-- key, a head that is missing or closed divides by zero on purpose: nothing of the batch is kept.
-- A row is one text, its values parted by unit separators (which no text of ours may hold), nulls
-- written as a record separator: to encode values one by one would cost more than the rest. Heads
-- are looked up by place in an array: joined, each row would be compared with each of them.
with taken as (
    update heads h set seq = h.seq + k.lines
    from unnest(
        string_to_array(:head_ids::text, e'\x1f')::uuid[],
        string_to_array(:head_lines::text, e'\x1f')::bigint[]
    ) with ordinality as k (merchant_id, lines, place)
    where h.merchant_id = k.merchant_id and h.open
    returning k.place, h.seq - k.lines as base
),
held as materialized (
    select array(select t.base from taken t order by t.place) as bases
),
given as (
    select
        ((select string_to_array(:head_ids::text, e'\x1f')::uuid[]))[f[1]::integer] as merchant_id,
        ((
            select h.bases from held h
            where 1 / (
                cardinality(h.bases) = cardinality(string_to_array(:head_ids::text, e'\x1f'))
            )::integer = 1
        ))[f[1]::integer] + f[2]::bigint as seq,
        f[3]::uuid as payment_id, to_timestamp(f[12]::double precision / 1000) as created_at,
        r.f, r.data
    from (
        select
            string_to_array(
                unnest(string_to_array(:rows::text, e'\x1d')), e'\x1f', e'\x1e'
            ) as f,
            unnest(:datas::text[]) as data
    ) r
),
made as (
    insert into payments (
        merchant_id, payment_id, merchant_order_no, fingerprint, fingerprint_key, amount,
        currency, subject, status, livemode, capture_method, created_at, expires_at, attempts,
        amount_authorized, amount_captured, amount_refunded, amount_refund_pending,
        amount_received, return_url, notify_url, metadata, last_sequence, version)
    select
        g.merchant_id, g.payment_id, g.f[4], g.f[5]::bytea, g.f[6]::integer, g.f[7]::bigint,
        g.f[8], g.f[9], 'requires_payment_method', g.f[10]::boolean, g.f[11], g.created_at,
        to_timestamp(g.f[13]::double precision / 1000), 0, 0, 0, 0, 0, 0, g.f[14], g.f[15],
        g.f[16]::jsonb, g.seq, 1
    from given g
)
insert into journal (
    merchant_id, seq, at, type, object_id, object_version, actor, request_id, data)
select
    g.merchant_id, g.seq, g.created_at, 'payment.created', g.payment_id, 1, g.f[17], g.f[18],
    g.data
from given g;
