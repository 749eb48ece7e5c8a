-- name: owner_of_payment
-- The merchant of a payment that staff names by its id alone.
-- scope: buckets
select p.merchant_id
from heads h
join payments p on p.merchant_id = h.merchant_id and p.payment_id = :key
where h.bucket = :bucket;

-- name: owner_of_refund
-- The merchant of a refund that staff names by its id alone.
-- scope: buckets
select r.merchant_id
from heads h
join refunds r on r.merchant_id = h.merchant_id and r.refund_id = :key
where h.bucket = :bucket;
