-- The pretend wallet service: wallets, what was debited and held, captured and credited. Amounts are
-- minor units, moments milliseconds of the business clock. A number is used once per client.

CREATE TABLE IF NOT EXISTS balance_wallets (
    wallet_id  TEXT PRIMARY KEY,
    currency   TEXT NOT NULL,
    available  INTEGER NOT NULL CHECK (available >= 0),
    held       INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    status     TEXT NOT NULL CHECK (status IN ('active', 'frozen', 'closed')),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS balance_debits (
    client_id  TEXT NOT NULL,
    number     TEXT NOT NULL,
    digest     TEXT NOT NULL,
    wallet_id  TEXT NOT NULL,
    reference  TEXT NOT NULL UNIQUE,
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    captured   INTEGER NOT NULL DEFAULT 0 CHECK (captured BETWEEN 0 AND amount),
    refunded   INTEGER NOT NULL DEFAULT 0 CHECK (refunded BETWEEN 0 AND captured),
    currency   TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('done', 'held', 'closed', 'reversed')),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, number)
) STRICT;

CREATE TABLE IF NOT EXISTS balance_captures (
    client_id  TEXT NOT NULL,
    number     TEXT NOT NULL,
    digest     TEXT NOT NULL,
    debit      TEXT NOT NULL,
    reference  TEXT NOT NULL UNIQUE,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, number)
) STRICT;

CREATE TABLE IF NOT EXISTS balance_credits (
    client_id  TEXT NOT NULL,
    number     TEXT NOT NULL,
    digest     TEXT NOT NULL,
    debit      TEXT NOT NULL,
    reference  TEXT NOT NULL UNIQUE,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, number)
) STRICT;
