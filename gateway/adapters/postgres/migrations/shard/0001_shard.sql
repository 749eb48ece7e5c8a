-- A shard: everything of the merchants whose buckets it holds.
-- `merchant_id` comes first in every key; ids are made by the application; text in keys is "C".

create table shard_identity (
    singleton boolean primary key default true check (singleton),
    installation_id uuid not null,
    shard integer not null,
    epoch bigint not null default 1
);

-- lock, fence and counter of a merchant
create table heads (
    merchant_id uuid primary key,
    bucket integer not null check (bucket between 0 and 4095),
    open boolean not null default true,
    epoch bigint not null default 1,
    seq bigint not null default 0 check (seq >= 0)
) with (fillfactor = 50);

create table payments (
    merchant_id uuid not null,
    payment_id uuid not null,
    merchant_order_no text collate "C" not null,
    fingerprint bytea not null,
    fingerprint_key integer not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    subject text not null,
    status text not null check (status in (
        'requires_payment_method', 'processing', 'requires_action', 'requires_capture',
        'closing', 'succeeded', 'canceled', 'expired', 'failed')),
    livemode boolean not null,
    capture_method text not null check (capture_method in ('automatic', 'manual')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    method text,
    channel text,
    channel_account_id uuid,
    attempt_id uuid,
    channel_order_no text collate "C",
    attempts integer not null,
    amount_authorized bigint not null,
    amount_captured bigint not null,
    amount_refunded bigint not null,
    amount_refund_pending bigint not null,
    amount_received bigint not null,
    payer_amount bigint,
    discount_amount bigint,
    next_action jsonb,
    error jsonb,
    return_url text,
    notify_url text,
    customer bytea,
    metadata jsonb not null,
    closing_to text,
    succeeded_at timestamptz,
    canceled_at timestamptz,
    expired_at timestamptz,
    last_sequence bigint not null,
    version bigint not null,
    replays bigint not null default 0,
    primary key (merchant_id, payment_id),
    unique (merchant_id, merchant_order_no),
    constraint captured_within_authorized
        check (amount_captured between 0 and amount_authorized),
    constraint refunds_within_captured
        check (amount_refunded >= 0 and amount_refund_pending >= 0
               and amount_captured - amount_refunded - amount_refund_pending >= 0)
) with (fillfactor = 85);
create index payments_by_expiry on payments (expires_at) where status in (
    'requires_payment_method', 'processing', 'requires_action', 'requires_capture');

-- one per person whose fields we hold; erasing the key erases the person
create table payer_keys (
    merchant_id uuid not null,
    payer bytea not null,
    sealed bytea not null,
    created_at timestamptz not null,
    version bigint not null,
    primary key (merchant_id, payer)
);

create table attempts (
    merchant_id uuid not null,
    attempt_id uuid not null,
    payment_id uuid not null,
    number integer not null,
    method text not null,
    method_options jsonb not null,
    channel text collate "C" not null,
    channel_account_id uuid not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    status text not null check (status in (
        'created', 'submitted', 'pending_user', 'authorized', 'unknown', 'closing',
        'succeeded', 'failed', 'closed')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    due_at timestamptz,
    channel_order_no text collate "C",
    next_action jsonb,
    error jsonb,
    handed_out boolean not null,
    close_sent boolean not null,
    sends integer not null,
    queries integer not null,
    not_found integer not null,
    version bigint not null,
    primary key (merchant_id, attempt_id),
    unique (merchant_id, payment_id, number),
    foreign key (merchant_id, payment_id) references payments (merchant_id, payment_id)
) with (fillfactor = 85);
create index attempts_by_due on attempts (due_at) where due_at is not null;
create unique index attempts_by_channel_order_no
    on attempts (merchant_id, channel, channel_order_no) where channel_order_no is not null;

create table refunds (
    merchant_id uuid not null,
    refund_id uuid not null,
    payment_id uuid not null,
    attempt_id uuid not null,
    merchant_refund_no text collate "C" not null,
    fingerprint bytea not null,
    fingerprint_key integer not null,
    channel text not null,
    channel_account_id uuid not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    status text not null check (status in (
        'created', 'processing', 'requires_action', 'succeeded', 'failed', 'canceled')),
    created_at timestamptz not null,
    sent_at timestamptz not null,
    due_at timestamptz,
    reason text,
    error jsonb,
    succeeded_at timestamptz,
    sends integer not null,
    queries integer not null,
    not_found integer not null,
    version bigint not null,
    replays bigint not null default 0,
    primary key (merchant_id, refund_id),
    unique (merchant_id, merchant_refund_no),
    foreign key (merchant_id, payment_id) references payments (merchant_id, payment_id)
);
create index refunds_by_payment on refunds (merchant_id, payment_id);
create index refunds_by_due on refunds (due_at) where due_at is not null;

create table unexpected_funds (
    merchant_id uuid not null,
    unexpected_funds_id uuid not null,
    payment_id uuid not null,
    attempt_id uuid not null,
    channel_account_id uuid not null,
    channel_order_no text collate "C" not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    cause text not null check (cause in ('late', 'amount_mismatch')),
    status text not null check (status in (
        'detected', 'refunding', 'refunded', 'applied', 'manual')),
    created_at timestamptz not null,
    version bigint not null,
    primary key (merchant_id, unexpected_funds_id),
    unique (merchant_id, attempt_id),
    foreign key (merchant_id, payment_id) references payments (merchant_id, payment_id)
);

-- the ledger: accounts carry balances, postings are the truth that they are recomputed from
create table accounts (
    merchant_id uuid not null,
    code text collate "C" not null,
    currency text collate "C" not null,
    side text not null check (side in ('debit', 'credit')),
    may_be_negative boolean not null,
    balance bigint not null,
    postings bigint not null,
    primary key (merchant_id, code, currency),
    constraint balance_not_negative check (may_be_negative or balance >= 0)
) with (fillfactor = 50);

create table entries (
    merchant_id uuid not null,
    entry_id uuid not null,
    reason text collate "C" not null,
    reference uuid not null,
    reference_kind text not null,
    at timestamptz not null,
    primary key (merchant_id, entry_id),
    unique (merchant_id, reference, reason)
);

create table postings (
    merchant_id uuid not null,
    entry_id uuid not null,
    ordinal integer not null,
    debit text collate "C" not null,
    credit text collate "C" not null,
    amount bigint not null check (amount > 0),
    currency text collate "C" not null,
    debit_balance bigint not null,
    debit_number bigint not null,
    credit_balance bigint not null,
    credit_number bigint not null,
    primary key (merchant_id, entry_id, ordinal),
    unique (merchant_id, debit, currency, debit_number),
    unique (merchant_id, credit, currency, credit_number),
    foreign key (merchant_id, entry_id) references entries (merchant_id, entry_id),
    constraint two_accounts check (debit <> credit)
);

-- the journal: outbox, timeline, audit trail and metrics are all read from it
create table journal (
    merchant_id uuid not null,
    seq bigint not null check (seq > 0),
    at timestamptz not null,
    type text not null,
    object_id uuid not null,
    object_version bigint not null,
    payment_id uuid,
    prior bigint,
    actor text not null,
    request_id text,
    data text not null,
    personal bytea,
    primary key (merchant_id, seq)
);

-- the inbox of verified callbacks: one row per business effect
create table callbacks (
    merchant_id uuid not null,
    attempt_id uuid not null,
    dedupe_key text collate "C" not null,
    channel text not null,
    received_at timestamptz not null,
    version bigint not null,
    primary key (merchant_id, attempt_id, dedupe_key)
);

create table webhook_endpoints (
    merchant_id uuid not null,
    webhook_endpoint_id uuid not null,
    url text collate "C" not null,
    events jsonb not null,
    description text,
    status text not null check (status in ('enabled', 'disabled', 'deleted')),
    fingerprint bytea not null,
    fingerprint_key integer not null,
    secret bytea not null,
    secret_before bytea,
    secret_before_until timestamptz,
    private_key bytea not null,
    rotated_at timestamptz,
    slot integer not null check (slot between 0 and 15),
    since_sequence bigint not null,
    failing_since timestamptz,
    created_at timestamptz not null,
    version bigint not null,
    replays bigint not null default 0,
    primary key (merchant_id, webhook_endpoint_id)
);
create unique index webhook_endpoints_by_url
    on webhook_endpoints (merchant_id, url) where status <> 'deleted';
-- sixteen places per merchant: the limit is a key
create unique index webhook_endpoints_by_slot
    on webhook_endpoints (merchant_id, slot) where status <> 'deleted';

create table notify_secrets (
    merchant_id uuid not null primary key,
    secret bytea not null,
    secret_before bytea,
    secret_before_until timestamptz,
    private_key bytea not null,
    rotated_at timestamptz,
    created_at timestamptz not null,
    version bigint not null,
    replays bigint not null default 0
);

-- an event on its way to one receiver; `endpoint_id` is null for a payment's notify_url, and
-- `target` is what shares a queue: the endpoint's id, or the origin of the URL
create table deliveries (
    merchant_id uuid not null,
    delivery_id uuid not null,
    seq bigint not null,
    endpoint_id uuid,
    target text collate "C" not null,
    url text not null,
    status text not null check (status in ('pending', 'delivered', 'failed')),
    tries integer not null,
    due_at timestamptz,
    claimed_until timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz not null,
    finished_at timestamptz,
    primary key (merchant_id, delivery_id)
);
create index deliveries_by_target
    on deliveries (merchant_id, target, due_at) where due_at is not null;
create index deliveries_by_sequence on deliveries (merchant_id, seq);
create index deliveries_by_endpoint on deliveries (merchant_id, endpoint_id, delivery_id);

-- how far each reader of the journal has come
create table cursors (
    merchant_id uuid not null,
    reader text collate "C" not null,
    seq bigint not null,
    primary key (merchant_id, reader)
) with (fillfactor = 50);

-- who does the background work of a range of buckets; `fence` rises with every new holder
create table leases (
    work text collate "C" not null,
    bucket_from integer not null,
    bucket_to integer not null,
    holder uuid,
    fence bigint not null default 0,
    until timestamptz not null default '-infinity',
    primary key (work, bucket_from)
);

grant select, insert, update on
    heads, payments, payer_keys, attempts, refunds, unexpected_funds, accounts,
    webhook_endpoints, notify_secrets, deliveries, cursors, leases
    to tillgate_app;
grant select, insert on entries, postings, journal, callbacks to tillgate_app;
grant select on shard_identity to tillgate_app;
grant select on
    shard_identity, heads, attempts, refunds, unexpected_funds, accounts, entries,
    postings, journal, callbacks, deliveries, cursors, leases
    to tillgate_read;
grant select (merchant_id, payment_id, merchant_order_no, amount, currency, subject, status,
    livemode, capture_method, created_at, expires_at, method, channel, channel_account_id,
    attempt_id, channel_order_no, attempts, amount_authorized, amount_captured, amount_refunded,
    amount_refund_pending, amount_received, payer_amount, discount_amount, next_action, error,
    return_url, notify_url, metadata, closing_to, succeeded_at, canceled_at, expired_at,
    last_sequence, version, replays)
    on payments to tillgate_read;
grant select (merchant_id, webhook_endpoint_id, url, events, description, status,
    since_sequence, failing_since, created_at, version)
    on webhook_endpoints to tillgate_read;
