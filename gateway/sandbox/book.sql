-- The sandbox's book: the outside truth about orders, refunds and open notifications.
-- Moments are milliseconds since the Unix epoch on the business clock; amounts minor units.

CREATE TABLE IF NOT EXISTS keys (
    name        TEXT PRIMARY KEY,
    private_pem TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS accounts (
    channel              TEXT NOT NULL,
    account_id           TEXT NOT NULL,
    merchant_fingerprint TEXT NOT NULL,
    merchant_public_key  TEXT NOT NULL,
    details              TEXT NOT NULL,
    created_at           INTEGER NOT NULL,
    PRIMARY KEY (channel, account_id),
    UNIQUE (channel, merchant_fingerprint)
) STRICT;

CREATE TABLE IF NOT EXISTS orders (
    id               INTEGER PRIMARY KEY,
    channel          TEXT NOT NULL,
    account_id       TEXT NOT NULL,
    out_trade_no     TEXT NOT NULL,
    channel_order_no TEXT UNIQUE,
    amount           INTEGER NOT NULL CHECK (amount > 0),
    currency         TEXT NOT NULL,
    status           TEXT NOT NULL CHECK (status IN ('open', 'paid', 'closed')),
    refunded         INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND amount),
    code             TEXT UNIQUE,
    notify_url       TEXT,
    content          TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER,
    scanned_at       INTEGER,
    paid_at          INTEGER,
    closed_at        INTEGER,
    CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CHECK (refunded = 0 OR status = 'paid'),
    UNIQUE (channel, account_id, out_trade_no)
) STRICT;

CREATE INDEX IF NOT EXISTS orders_open ON orders (expires_at) WHERE status = 'open';

CREATE TABLE IF NOT EXISTS refunds (
    id            INTEGER PRIMARY KEY,
    order_id      INTEGER NOT NULL REFERENCES orders (id),
    out_refund_no TEXT NOT NULL,
    amount        INTEGER NOT NULL CHECK (amount > 0),
    status        TEXT NOT NULL CHECK (status IN ('processing', 'succeeded', 'failed')),
    created_at    INTEGER NOT NULL,
    UNIQUE (order_id, out_refund_no)
) STRICT;

CREATE TABLE IF NOT EXISTS transfers (
    id               INTEGER PRIMARY KEY,
    channel          TEXT NOT NULL,
    account_id       TEXT NOT NULL,
    out_transfer_no  TEXT NOT NULL,
    channel_order_no TEXT NOT NULL UNIQUE,
    amount           INTEGER NOT NULL CHECK (amount > 0),
    currency         TEXT NOT NULL,
    payee            TEXT NOT NULL,
    status           TEXT NOT NULL
                     CHECK (status IN ('processing', 'succeeded', 'failed', 'returned')),
    content          TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    settled_at       INTEGER,
    UNIQUE (channel, account_id, out_transfer_no)
) STRICT;

CREATE TABLE IF NOT EXISTS notices (
    id         INTEGER PRIMARY KEY,
    channel    TEXT NOT NULL,
    account_id TEXT NOT NULL,
    order_id   INTEGER REFERENCES orders (id), -- null: about a transfer
    url        TEXT NOT NULL,
    content    TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'given_up', 'not_called')),
    sends      INTEGER NOT NULL DEFAULT 0,
    due_at     INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS notices_open ON notices (due_at) WHERE state = 'open';
