-- name: take_heads
-- Locks the open heads of a batch's merchants, in their order, without counting. The transaction's
-- number is what a lost COMMIT is looked up by.
update heads h set seq = h.seq
from unnest(:merchant_ids::uuid[]) as k (merchant_id)
where h.merchant_id = k.merchant_id and h.open
returning h.merchant_id, h.seq, pg_current_xact_id()::text as transaction;

-- name: count_heads
-- Moves the sequences by the rows really written; the heads are held.
update heads h set seq = k.seq
from unnest(:merchant_ids::uuid[], :seqs::bigint[]) as k (merchant_id, seq)
where h.merchant_id = k.merchant_id
returning 1;

-- name: create_payments
-- The whole batch when all of it are new payments: heads, payments, attempts, journal. It answers
-- how many payments were new; if not all were, the caller rolls back and goes the long way.
with taken as (
    update heads h set seq = h.seq + k.lines
    from unnest(:head_ids::uuid[], :head_lines::bigint[]) as k (merchant_id, lines)
    where h.merchant_id = k.merchant_id and h.open
    returning h.merchant_id, h.seq - k.lines as base
),
made as (
    insert into payments (
        merchant_id, payment_id, merchant_order_no, fingerprint, fingerprint_key, amount,
        currency, subject, status, livemode, capture_method, created_at, expires_at, method,
        channel, channel_account_id, attempt_id, attempts, amount_authorized, amount_captured,
        amount_refunded, amount_refund_pending, amount_received, return_url, notify_url,
        metadata, last_sequence, version)
    select
        g.merchant_id, g.payment_id, g.merchant_order_no, g.fingerprint, g.fingerprint_key,
        g.amount, g.currency, g.subject, g.status, g.livemode, g.capture_method, g.created_at,
        g.expires_at, g.method, g.channel, g.channel_account_id, g.attempt_id, g.attempts,
        0, 0, 0, 0, 0, g.return_url, g.notify_url, g.metadata, t.base + g.last_line, 1
    from unnest(
        :merchant_id::uuid[], :payment_id::uuid[], :merchant_order_no::text[],
        :fingerprint::bytea[], :fingerprint_key::integer[], :amount::bigint[],
        :currency::text[], :subject::text[], :status::text[], :livemode::boolean[],
        :capture_method::text[], :created_at::timestamptz[], :expires_at::timestamptz[],
        :method::text[], :channel::text[], :channel_account_id::uuid[], :attempt_id::uuid[],
        :attempts::integer[], :return_url::text[], :notify_url::text[], :metadata::jsonb[],
        :last_line::bigint[]
    ) as g (
        merchant_id, payment_id, merchant_order_no, fingerprint, fingerprint_key, amount,
        currency, subject, status, livemode, capture_method, created_at, expires_at, method,
        channel, channel_account_id, attempt_id, attempts, return_url, notify_url, metadata,
        last_line)
    join taken t on t.merchant_id = g.merchant_id
    on conflict do nothing
    returning 1
),
tried as (
    insert into attempts (
        merchant_id, attempt_id, payment_id, number, method, method_options, channel,
        channel_account_id, amount, currency, status, created_at, expires_at, due_at,
        handed_out, close_sent, sends, queries, not_found, version)
    select
        g.merchant_id, g.attempt_id, g.payment_id, g.number, g.method, g.method_options,
        g.channel, g.channel_account_id, g.amount, g.currency, g.status, g.created_at,
        g.expires_at, g.due_at, false, false, 1, 0, 0, 1
    from unnest(
        :a_merchant_id::uuid[], :a_attempt_id::uuid[], :a_payment_id::uuid[],
        :a_number::integer[], :a_method::text[], :a_method_options::jsonb[],
        :a_channel::text[], :a_channel_account_id::uuid[], :a_amount::bigint[],
        :a_currency::text[], :a_status::text[], :a_created_at::timestamptz[],
        :a_expires_at::timestamptz[], :a_due_at::timestamptz[]
    ) as g (
        merchant_id, attempt_id, payment_id, number, method, method_options, channel,
        channel_account_id, amount, currency, status, created_at, expires_at, due_at)
    join taken t on t.merchant_id = g.merchant_id
    returning 1
),
told as (
    insert into journal (
        merchant_id, seq, at, type, object_id, object_version, payment_id, actor, request_id,
        data)
    select
        g.merchant_id, t.base + g.line, g.at, g.type, g.object_id, g.object_version,
        g.payment_id, g.actor, g.request_id, g.data
    from unnest(
        :j_merchant_id::uuid[], :j_line::bigint[], :j_at::timestamptz[], :j_type::text[],
        :j_object_id::uuid[], :j_object_version::bigint[], :j_payment_id::uuid[],
        :j_actor::text[], :j_request_id::text[], :j_data::text[]
    ) as g (
        merchant_id, line, at, type, object_id, object_version, payment_id, actor, request_id,
        data)
    join taken t on t.merchant_id = g.merchant_id
    returning 1
)
select (select count(*) from made) as made, (select count(*) from tried) as tried,
    (select count(*) from told) as told, pg_current_xact_id()::text as transaction;

-- name: outcome_of
-- Whether a transaction whose COMMIT was lost is still in progress.
select pg_xact_status(:transaction::text::xid8) as outcome;
