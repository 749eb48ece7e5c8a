-- The pretend bank's movements: what came to an account and what left it. Moments are milliseconds
-- of the business clock, amounts minor units, positive for credits. A movement is seen from
-- `entered_at` on and booked at `booked_at`.

CREATE TABLE IF NOT EXISTS bank_movements (
    id          INTEGER PRIMARY KEY,
    account_id  TEXT NOT NULL,
    amount      INTEGER NOT NULL CHECK (amount <> 0),
    currency    TEXT NOT NULL,
    reference   TEXT NOT NULL UNIQUE,
    text        TEXT NOT NULL,
    credited    TEXT NOT NULL,
    end_to_end  TEXT NOT NULL,
    return_code TEXT,
    entered_at  INTEGER NOT NULL,
    booked_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS bank_movements_of ON bank_movements (account_id, entered_at);

CREATE TABLE IF NOT EXISTS bank_payouts (
    account_id TEXT NOT NULL,
    file_no    TEXT NOT NULL,
    digest     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, file_no)
) STRICT;

CREATE TABLE IF NOT EXISTS bank_transfers (
    account_id TEXT NOT NULL,
    number     TEXT NOT NULL,
    file_no    TEXT NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    status     TEXT NOT NULL CHECK (status IN ('ACSC', 'PDNG', 'RJCT')),
    reason     TEXT,
    reference  TEXT,
    PRIMARY KEY (account_id, number)
) STRICT;
