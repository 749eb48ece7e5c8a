-- What the pretend Stripe keeps beside the shared book. Amounts are minor units, moments are
-- milliseconds of the business clock. `state` is the JSON of a `store.Intent` or `store.Refund`.

CREATE TABLE IF NOT EXISTS card_intents (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    order_id   INTEGER NOT NULL UNIQUE REFERENCES orders (id),
    charge_id  TEXT UNIQUE,
    created    INTEGER NOT NULL,
    due_at     INTEGER,
    state      TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS card_intents_due ON card_intents (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS card_refunds (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    intent_id  TEXT NOT NULL REFERENCES card_intents (id),
    amount     INTEGER NOT NULL CHECK (amount > 0),
    status     TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    created    INTEGER NOT NULL,
    due_at     INTEGER,
    state      TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS card_refunds_intent ON card_refunds (intent_id);
CREATE INDEX IF NOT EXISTS card_refunds_due ON card_refunds (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS card_keys (
    account_id  TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status      INTEGER NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (account_id, key)
) STRICT;

CREATE TABLE IF NOT EXISTS card_endpoints (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    deleted    INTEGER NOT NULL DEFAULT 0,
    state      TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS card_transactions (
    seq        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    type       TEXT NOT NULL CHECK (type IN ('charge', 'refund')),
    source     TEXT NOT NULL,
    currency   TEXT NOT NULL,
    created    INTEGER NOT NULL,
    state      TEXT NOT NULL
) STRICT;
