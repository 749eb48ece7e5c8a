-- Holds (authorizations) of the pretend Alipay, beside the sandbox's book. Each is an order whose
-- number begins with `hold:`: open until the payer gives the money, then closed, because it is no
-- charge. Moments are milliseconds on the business clock, amounts fen.

CREATE TABLE IF NOT EXISTS alipay_holds (
    order_id       INTEGER PRIMARY KEY REFERENCES orders (id),
    operation_id   TEXT NOT NULL UNIQUE,
    out_request_no TEXT NOT NULL,
    amount         INTEGER NOT NULL CHECK (amount > 0),
    held_at        INTEGER,
    captured       INTEGER NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released       INTEGER NOT NULL DEFAULT 0 CHECK (released >= 0),
    canceled_at    INTEGER,
    CHECK (captured + released <= amount),
    CHECK (held_at IS NOT NULL OR captured + released = 0)
) STRICT;

CREATE TABLE IF NOT EXISTS alipay_releases (
    id             INTEGER PRIMARY KEY,
    order_id       INTEGER NOT NULL REFERENCES alipay_holds (order_id),
    operation_id   TEXT NOT NULL UNIQUE,
    out_request_no TEXT NOT NULL,
    amount         INTEGER NOT NULL CHECK (amount > 0),
    created_at     INTEGER NOT NULL,
    UNIQUE (order_id, out_request_no)
) STRICT;
