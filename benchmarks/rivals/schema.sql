-- What the rival services keep: payments and the journal of their events, as a team would write it
-- that wants the same guarantees: numbers unique for ever, amounts checked, an event per payment.

create table if not exists merchant_keys (
    key_id text primary key,
    merchant_id text not null,
    secret bytea not null
);

create table if not exists payments (
    id text primary key,
    merchant_id text not null,
    merchant_order_no text not null,
    fingerprint bytea not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    subject text not null,
    status text not null,
    metadata jsonb not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    version bigint not null,
    unique (merchant_id, merchant_order_no)
);

create table if not exists journal (
    seq bigint generated always as identity primary key,
    merchant_id text not null,
    at timestamptz not null,
    type text not null,
    object_id text not null,
    data text not null
);
