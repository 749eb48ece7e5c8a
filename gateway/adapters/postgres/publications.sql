-- name: events
-- The events in the given ranges of sequences, oldest first; the ranges are the limit.
-- scope: buckets
select
    j.merchant_id, j.seq, j.at, j.type, j.object_id, j.object_version, j.payment_id, j.actor,
    j.request_id, j.data, j.personal
from unnest(:merchant_ids::uuid[], :afters::bigint[], :untils::bigint[])
    as k (merchant_id, after, until)
join journal j on j.merchant_id = k.merchant_id and j.seq > k.after and j.seq <= k.until
order by j.merchant_id, j.seq;

-- name: rewind
-- Sets a reader's cursors in a range of buckets back to a sequence, so that what follows is read
-- again; only one merchant's, if one is named.
-- scope: buckets
update cursors c set seq = :sequence
from (
    select own.merchant_id
    from heads h
    join cursors own on own.merchant_id = h.merchant_id and own.reader = :reader
    where h.bucket between :bucket_from and :bucket_to and own.seq > :sequence
        and (:merchant_id::uuid is null or h.merchant_id = :merchant_id)
    order by own.merchant_id
    for update of own
) as ahead
where c.merchant_id = ahead.merchant_id and c.reader = :reader
returning 1;
