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
select * from unnest(
    :merchant_id::uuid[], :attempt_id::uuid[], :payment_id::uuid[], :number::integer[],
    :method::text[], :method_options::jsonb[], :channel::text[], :channel_account_id::uuid[],
    :amount::bigint[], :currency::text[], :status::text[], :created_at::timestamptz[],
    :expires_at::timestamptz[], :due_at::timestamptz[], :channel_order_no::text[],
    :next_action::jsonb[], :error::jsonb[], :handed_out::boolean[], :close_sent::boolean[],
    :sends::integer[], :queries::integer[], :not_found::integer[], :held::boolean[],
    :answers::integer[], :sent_at::timestamptz[], :version::bigint[]
)
returning 1;

-- name: update
-- The changed attempts, each only where its stored version is the one that was loaded.
update attempts a set
    method_options = k.method_options, status = k.status, due_at = k.due_at,
    channel_order_no = k.channel_order_no, next_action = k.next_action, error = k.error,
    handed_out = k.handed_out, close_sent = k.close_sent, sends = k.sends, queries = k.queries,
    not_found = k.not_found, held = k.held, answers = k.answers, sent_at = k.sent_at,
    version = k.version
from unnest(
    :merchant_ids::uuid[], :keys::uuid[], :loaded::bigint[], :method_options::jsonb[],
    :status::text[], :due_at::timestamptz[], :channel_order_no::text[], :next_action::jsonb[],
    :error::jsonb[], :handed_out::boolean[], :close_sent::boolean[], :sends::integer[],
    :queries::integer[], :not_found::integer[], :held::boolean[], :answers::integer[],
    :sent_at::timestamptz[], :version::bigint[]
) as k (
    merchant_id, key, loaded, method_options, status, due_at, channel_order_no, next_action,
    error, handed_out, close_sent, sends, queries, not_found, held, answers, sent_at, version
)
where a.merchant_id = k.merchant_id and a.attempt_id = k.key and a.version = k.loaded
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
