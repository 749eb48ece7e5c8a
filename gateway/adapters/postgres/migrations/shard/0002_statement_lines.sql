-- Money that comes by bank statement or by hand.

-- one row per line of a bank's statement, whatever files brought it
create table statement_lines (
    merchant_id uuid not null,
    statement_line_id uuid not null,
    channel_account_id uuid not null,
    line_key text collate "C" not null,
    direction text not null check (direction in ('credit', 'debit')),
    amount bigint not null check (amount > 0),
    currency text not null,
    verdict text not null check (verdict in (
        'paid', 'over', 'part', 'confirmed', 'duplicate', 'late', 'mismatch', 'unmatched',
        'refund', 'other')),
    suspended bigint not null,
    payment_id uuid,
    attempt_id uuid,
    refund_id uuid,
    bank_reference text collate "C",
    booked_at timestamptz,
    created_at timestamptz not null,
    version bigint not null,
    replays bigint not null default 0,
    primary key (merchant_id, statement_line_id),
    unique (merchant_id, line_key),
    constraint suspended_within_amount check (suspended between 0 and amount)
);

-- what lines have brought for an attempt
create table transfer_tallies (
    merchant_id uuid not null,
    attempt_id uuid not null,
    received bigint not null check (received > 0),
    version bigint not null,
    primary key (merchant_id, attempt_id)
) with (fillfactor = 85);

-- receipts of staff: one number, one sum
create table offline_receipts (
    merchant_id uuid not null,
    channel_account_id uuid not null,
    receipt_no text collate "C" not null,
    payment_id uuid,
    refund_id uuid,
    amount bigint not null check (amount > 0),
    currency text not null,
    created_at timestamptz not null,
    version bigint not null,
    primary key (merchant_id, channel_account_id, receipt_no),
    constraint receipt_of_one check ((payment_id is null) <> (refund_id is null))
);

-- a statement brings money for nobody, and several times for one attempt
alter table unexpected_funds
    alter column payment_id drop not null,
    alter column attempt_id drop not null,
    add column statement_line_id uuid,
    drop constraint unexpected_funds_merchant_id_attempt_id_key,
    drop constraint unexpected_funds_cause_check,
    add constraint unexpected_funds_cause_check check (cause in (
        'late', 'amount_mismatch', 'over', 'partial', 'duplicate', 'unmatched')),
    add unique nulls not distinct (merchant_id, attempt_id, statement_line_id);

grant select, insert, update on statement_lines, transfer_tallies to tillgate_app;
grant select, insert on offline_receipts to tillgate_app;
grant select on statement_lines, transfer_tallies, offline_receipts to tillgate_read;
