-- name: load_by_id
-- The attempts of the given merchants and ids; their heads are held.
select
    a.merchant_id, a.attempt_id, a.payment_id, a.number, a.method, a.method_options, a.channel,
    a.channel_account_id, a.amount, a.currency, a.status, a.created_at, a.expires_at, a.due_at,
    a.channel_order_no, a.next_action, a.error, a.handed_out, a.close_sent, a.sends, a.queries,
    a.not_found, a.held, a.answers, a.sent_at, a.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) as k (merchant_id, key)
join attempts a on a.merchant_id = k.merchant_id and a.attempt_id = k.key;

-- name: load_by_number
-- The attempts that channels know by the given numbers; their heads are held.
select
    a.merchant_id, a.attempt_id, a.payment_id, a.number, a.method, a.method_options, a.channel,
    a.channel_account_id, a.amount, a.currency, a.status, a.created_at, a.expires_at, a.due_at,
    a.channel_order_no, a.next_action, a.error, a.handed_out, a.close_sent, a.sends, a.queries,
    a.not_found, a.held, a.answers, a.sent_at, a.version
from unnest(:merchant_ids::uuid[], :channels::text[], :keys::text[])
    as k (merchant_id, channel, key)
join attempts a on a.merchant_id = k.merchant_id and a.channel = k.channel
    and a.channel_order_no = k.key;

-- name: insert
-- New attempts.
insert into attempts (
    merchant_id, attempt_id, payment_id, number, method, method_options, channel,
    channel_account_id, amount, currency, status, created_at, expires_at, due_at,
    channel_order_no, next_action, error, handed_out, close_sent, sends, queries, not_found,
    held, answers, sent_at, version
)
select
    f[1]::uuid, f[2]::uuid, f[3]::uuid, f[4]::integer, f[5], f[6]::jsonb, f[7], f[8]::uuid,
    f[9]::bigint, f[10], f[11], f[12]::timestamptz, f[13]::timestamptz, f[14]::timestamptz, f[15],
    f[16]::jsonb, f[17]::jsonb, f[18]::boolean, f[19]::boolean, f[20]::integer, f[21]::integer,
    f[22]::integer, f[23]::boolean, f[24]::integer, f[25]::timestamptz, f[26]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
returning 1;

-- name: update
-- The changed attempts, each only where its stored version is the one that was loaded.
update attempts a set
    method_options = f[4]::jsonb, status = f[5], due_at = f[6]::timestamptz,
    channel_order_no = f[7], next_action = f[8]::jsonb, error = f[9]::jsonb,
    handed_out = f[10]::boolean, close_sent = f[11]::boolean, sends = f[12]::integer,
    queries = f[13]::integer, not_found = f[14]::integer, held = f[15]::boolean,
    answers = f[16]::integer, sent_at = f[17]::timestamptz, version = f[18]::bigint
from unnest(string_to_array(:rows::text, e'\x1d')) as g (line)
cross join lateral string_to_array(g.line, e'\x1f', e'\x1e') as f
where a.merchant_id = f[1]::uuid and a.attempt_id = f[2]::uuid and a.version = f[3]::bigint
returning 1;

-- name: read_by_id
-- Gathered reads: heads first, so that an open head without an attempt means there is none.
select k.ordinal, h.open,
    a.merchant_id, a.attempt_id, a.payment_id, a.number, a.method, a.method_options, a.channel,
    a.channel_account_id, a.amount, a.currency, a.status, a.created_at, a.expires_at, a.due_at,
    a.channel_order_no, a.next_action, a.error, a.handed_out, a.close_sent, a.sends, a.queries,
    a.not_found, a.held, a.answers, a.sent_at, a.version
from unnest(:merchant_ids::uuid[], :keys::uuid[]) with ordinality as k (merchant_id, key, ordinal)
left join heads h on h.merchant_id = k.merchant_id
left join attempts a on a.merchant_id = k.merchant_id and a.attempt_id = k.key;

-- name: read_standing
-- Gathered reads of attempts with their payments, and whether unexpected money came for them.
select k.ordinal, h.open,
    a.merchant_id, a.attempt_id, a.payment_id, a.number, a.method, a.method_options, a.channel,
    a.channel_account_id, a.amount, a.currency, a.status, a.created_at, a.expires_at, a.due_at,
    a.channel_order_no, a.next_action, a.error, a.handed_out, a.close_sent, a.sends, a.queries,
    a.not_found, a.held, a.answers, a.sent_at, a.version,
    p.merchant_id, p.payment_id, p.merchant_order_no, p.fingerprint, p.fingerprint_key,
    p.amount, p.currency, p.subject, p.status, p.livemode, p.capture_method, p.created_at,
    p.expires_at, p.method, p.channel, p.channel_account_id, p.attempt_id, p.channel_order_no,
    p.attempts, p.amount_authorized, p.amount_captured, p.amount_refunded,
    p.amount_refund_pending, p.amount_received, p.payer_amount, p.discount_amount,
    p.next_action, p.error, p.return_url, p.notify_url, p.customer, p.metadata, p.closing_to,
    p.succeeded_at, p.canceled_at, p.expired_at, p.capture_before, p.last_sequence, p.version,
    u.is_there is not null as has_unexpected
from unnest(:merchant_ids::uuid[], :keys::uuid[]) with ordinality as k (merchant_id, key, ordinal)
left join heads h on h.merchant_id = k.merchant_id
left join attempts a on a.merchant_id = k.merchant_id and a.attempt_id = k.key
left join payments p on p.merchant_id = a.merchant_id and p.payment_id = a.payment_id
left join lateral (
    select true as is_there from unexpected_funds n
    where n.merchant_id = k.merchant_id and n.attempt_id = k.key
    limit 1
) u on true;

-- name: read_by_numbers
-- The attempts that a channel knows by some numbers.
select
    a.merchant_id, a.attempt_id, a.payment_id, a.number, a.method, a.method_options, a.channel,
    a.channel_account_id, a.amount, a.currency, a.status, a.created_at, a.expires_at, a.due_at,
    a.channel_order_no, a.next_action, a.error, a.handed_out, a.close_sent, a.sends, a.queries,
    a.not_found, a.held, a.answers, a.sent_at, a.version
from attempts a
where a.merchant_id = :merchant_id and a.channel = :channel
    and a.channel_order_no = any(:numbers::text[]);

-- name: read_by_payment
-- The attempts of a payment, in their order.
select
    a.merchant_id, a.attempt_id, a.payment_id, a.number, a.method, a.method_options, a.channel,
    a.channel_account_id, a.amount, a.currency, a.status, a.created_at, a.expires_at, a.due_at,
    a.channel_order_no, a.next_action, a.error, a.handed_out, a.close_sent, a.sends, a.queries,
    a.not_found, a.held, a.answers, a.sent_at, a.version
from attempts a
where a.merchant_id = :merchant_id and a.payment_id = :payment_id
order by a.number;

-- name: due
-- Attempts whose silence is to be asked about, of the buckets that the worker has leased.
-- scope: buckets
select a.merchant_id, a.attempt_id
from attempts a
where a.due_at <= :now
    and exists (
        select from unnest(:bucket_froms::integer[], :bucket_tos::integer[])
            as k (bucket_from, bucket_to)
        where (((get_byte(uuid_send(a.merchant_id), 6) & 15) << 8)
            | get_byte(uuid_send(a.merchant_id), 7)) between k.bucket_from and k.bucket_to)
order by a.due_at
limit :limit;
