-- What the pretend WeChat Pay keeps besides the sandbox's orders, refunds and notices.
-- Moments are milliseconds since the Unix epoch on the business clock; amounts are fen.

CREATE TABLE IF NOT EXISTS wechat_modes (
    account_id       TEXT PRIMARY KEY,
    names_public_key INTEGER NOT NULL CHECK (names_public_key IN (0, 1))
) STRICT;

CREATE TABLE IF NOT EXISTS wechat_certificates (
    serial     TEXT PRIMARY KEY,
    key_name   TEXT NOT NULL UNIQUE,
    pem        TEXT NOT NULL,
    made_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS wechat_states (
    order_id INTEGER PRIMARY KEY REFERENCES orders (id),
    state    TEXT NOT NULL CHECK (state IN ('USERPAYING', 'PAYERROR', 'REVOKED'))
) STRICT;

CREATE TABLE IF NOT EXISTS wechat_refunds (
    id            INTEGER PRIMARY KEY REFERENCES refunds (id),
    account_id    TEXT NOT NULL,
    out_refund_no TEXT NOT NULL,
    refund_no     TEXT NOT NULL UNIQUE,
    status        TEXT NOT NULL CHECK (status IN ('PROCESSING', 'SUCCESS', 'ABNORMAL', 'CLOSED')),
    fate          TEXT NOT NULL,
    content       TEXT NOT NULL,
    notify_url    TEXT,
    due_at        INTEGER,
    finished_at   INTEGER,
    UNIQUE (account_id, out_refund_no)
) STRICT;

CREATE INDEX IF NOT EXISTS wechat_refunds_due ON wechat_refunds (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS wechat_transfers (
    id               INTEGER PRIMARY KEY REFERENCES transfers (id),
    account_id       TEXT NOT NULL,
    out_bill_no      TEXT NOT NULL,
    transfer_bill_no TEXT NOT NULL UNIQUE,
    package_info     TEXT NOT NULL UNIQUE,
    openid           TEXT NOT NULL,
    amount           INTEGER NOT NULL CHECK (amount > 0),
    remark           TEXT NOT NULL,
    content          TEXT NOT NULL,
    notify_url       TEXT,
    state            TEXT NOT NULL CHECK (state IN
                         ('WAIT_USER_CONFIRM', 'SUCCESS', 'FAIL', 'CANCELLED')),
    fail_reason      TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    due_at           INTEGER,
    UNIQUE (account_id, out_bill_no)
) STRICT;

CREATE INDEX IF NOT EXISTS wechat_transfers_due ON wechat_transfers (due_at)
    WHERE due_at IS NOT NULL;
