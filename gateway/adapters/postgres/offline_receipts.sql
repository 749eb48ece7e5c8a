-- name: load_by_id
-- Which of the given receipts are known; their heads are held. A key is registration and number.
select
    r.merchant_id, r.channel_account_id, r.receipt_no, r.payment_id, r.refund_id, r.amount,
    r.currency, r.created_at, r.version
from unnest(:merchant_ids::uuid[], :account_ids::uuid[], :keys::text[])
    as k (merchant_id, account_id, key)
join offline_receipts r on r.merchant_id = k.merchant_id
    and r.channel_account_id = k.account_id and r.receipt_no = k.key;

-- name: insert
-- New receipts.
insert into offline_receipts (
    merchant_id, channel_account_id, receipt_no, payment_id, refund_id, amount, currency,
    created_at, version
)
select
    f[1]::uuid, f[2]::uuid, f[3], f[4]::uuid, f[5]::uuid, f[6]::bigint, f[7], f[8]::timestamptz,
    f[9]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;
