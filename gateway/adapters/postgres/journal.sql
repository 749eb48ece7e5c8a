-- name: insert
-- Journal rows; their places in the merchant's sequence count from its head.
-- scope: chain
insert into journal (
    merchant_id, seq, at, type, object_id, object_version, payment_id, prior, actor,
    request_id, data, personal
)
select
    f[1]::uuid, ((select h.bases from held h))[f[13]::integer] + f[2]::bigint,
    f[3]::timestamptz, f[4], f[5]::uuid, f[6]::bigint, f[7]::uuid, f[8]::bigint, f[9], f[10],
    f[11], f[12]::bytea
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: page
-- A merchant's events after a sequence, oldest first.
select
    j.merchant_id, j.seq, j.at, j.type, j.object_id, j.object_version, j.payment_id, j.actor,
    j.request_id, j.data, j.personal
from journal j
where j.merchant_id = :merchant_id and j.seq > :after
    and (:types::text[] is null or j.type = any(:types))
order by j.seq
limit :limit;

-- name: at_sequence
-- One event of a merchant.
select
    j.merchant_id, j.seq, j.at, j.type, j.object_id, j.object_version, j.payment_id, j.actor,
    j.request_id, j.data, j.personal
from journal j
where j.merchant_id = :merchant_id and j.seq = :sequence;

-- name: of_payment
-- The events about one payment, by following each row back to the one before it.
with recursive about as (
    select j.* from journal j
    where j.merchant_id = :merchant_id and j.seq = :last_sequence
    union all
    select j.* from about a
    join journal j on j.merchant_id = a.merchant_id and j.seq = a.prior
    where j.merchant_id = :merchant_id
)
select
    a.merchant_id, a.seq, a.at, a.type, a.object_id, a.object_version, a.payment_id, a.actor,
    a.request_id, a.data, a.personal
from about a
where a.merchant_id = :merchant_id
order by a.seq
limit :limit;

-- name: head
-- How far a merchant's sequence has come.
select h.seq from heads h where h.merchant_id = :merchant_id;

-- name: behind
-- Merchants whose reader is behind their sequence, of the buckets that the worker has leased.
-- scope: buckets
select h.merchant_id, h.seq, coalesce(c.seq, 0) as read
from heads h
left join cursors c on c.merchant_id = h.merchant_id and c.reader = :reader
where h.bucket between :bucket_from and :bucket_to and h.seq > coalesce(c.seq, 0)
limit :limit;

-- name: cursor
-- How far a reader has come with one merchant.
select c.seq from cursors c where c.merchant_id = :merchant_id and c.reader = :reader;

-- name: time_at
-- When one event of a merchant happened.
select j.at from journal j where j.merchant_id = :merchant_id and j.seq = :sequence;

-- name: sequences_between
-- The sequences of a merchant's events of some types and times, within a range of sequences.
select j.seq from journal j
where j.merchant_id = :merchant_id and j.seq > :after and j.seq <= :until
    and j.at >= :created_from and j.at < :created_to
    and (:types::text[] is null or j.type = any(:types))
order by j.seq
limit :limit;
