-- The pretend UnionPay's register of trades, beside the book's orders and refunds.
-- Moments are milliseconds since the Unix epoch on the business clock; amounts are fen.

CREATE TABLE IF NOT EXISTS unionpay_trades (
    id           INTEGER PRIMARY KEY,
    account_id   TEXT NOT NULL,
    order_id     TEXT NOT NULL,
    txn_time     TEXT NOT NULL,
    txn_type     TEXT NOT NULL,
    content      TEXT NOT NULL,
    amount       INTEGER NOT NULL CHECK (amount > 0),
    state        TEXT NOT NULL,
    query_id     TEXT UNIQUE,
    order_row    INTEGER NOT NULL REFERENCES orders (id),
    undone       INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    done_at      INTEGER,
    CHECK ((state = '00') = (done_at IS NOT NULL)),
    UNIQUE (account_id, order_id)
) STRICT;

CREATE INDEX IF NOT EXISTS unionpay_trades_done
    ON unionpay_trades (account_id, done_at) WHERE done_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS unionpay_sms (
    account_id   TEXT NOT NULL,
    order_id     TEXT NOT NULL,
    txn_time     TEXT NOT NULL,
    amount       INTEGER NOT NULL,
    payer        TEXT NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, order_id)
) STRICT;
