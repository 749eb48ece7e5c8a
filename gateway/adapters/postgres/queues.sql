-- name: attempts
-- Since when the oldest attempt whose silence is to be asked about has been due.
-- scope: buckets
select a.due_at
from attempts a
where a.due_at <= :now
    and exists (
        select from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
            as k (bucket_from, bucket_to)
        where (((get_byte(uuid_send(a.merchant_id), 6) & 15) << 8)
            | get_byte(uuid_send(a.merchant_id), 7)) between k.bucket_from and k.bucket_to)
order by a.due_at
limit 1;

-- name: refunds
-- Since when the oldest refund whose silence is to be asked about has been due.
-- scope: buckets
select r.due_at
from refunds r
where r.due_at <= :now
    and exists (
        select from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
            as k (bucket_from, bucket_to)
        where (((get_byte(uuid_send(r.merchant_id), 6) & 15) << 8)
            | get_byte(uuid_send(r.merchant_id), 7)) between k.bucket_from and k.bucket_to)
order by r.due_at
limit 1;

-- name: deliveries
-- Since when the oldest delivery that waits for its try has been due; pending ones only are read.
-- scope: buckets
select min(d.due_at) as due_at
from deliveries d
where d.due_at is not null and d.due_at <= :now
    and exists (
        select from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
            as k (bucket_from, bucket_to)
        where (((get_byte(uuid_send(d.merchant_id), 6) & 15) << 8)
            | get_byte(uuid_send(d.merchant_id), 7)) between k.bucket_from and k.bucket_to);
