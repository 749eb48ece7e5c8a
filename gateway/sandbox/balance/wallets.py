"""Wallets: the money of the pretend wallet service, and what numbers have done with it.

Law: a number has one effect. Its repeat with the same content is answered with the first result,
with other content it is refused. No wallet falls below zero, no debit gives back more than it took.
"""

import secrets
from pathlib import Path
from typing import Any, Final

from gateway.sandbox.book import Book
from gateway.sandbox.moments import Clock, from_ms, to_ms

SCHEMA: Final = (Path(__file__).parent / "balance.sql").read_text("utf-8")
HOLD_MS: Final = 7 * 24 * 3_600_000

Row = dict[str, Any]


class WalletRefused(Exception):
    """A refusal that the service signs; `code` is its word, `status` the HTTP status."""

    def __init__(self, code: str, *, status: int = 422) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class Wallets:
    """All wallets and what was done with them, in the sandbox's book. Call it inside a change."""

    def __init__(self, *, book: Book, clock: Clock) -> None:
        self._db = book.annex(SCHEMA)
        self._clock = clock

    # Wallets

    def make(self, *, available: int, currency: str, status: str) -> Row:
        """A new wallet with money in it."""
        wallet_id = "w" + secrets.token_hex(8)
        self._db.execute(
            "INSERT INTO balance_wallets (wallet_id, currency, available, status, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (wallet_id, currency, available, status, self._now()),
        )
        return self.wallet(wallet_id)

    def wallet(self, wallet_id: str) -> Row:
        """A wallet as it stands. Raises `WalletRefused` `not_found`."""
        found = self._one("balance_wallets", "wallet_id = ?", wallet_id)
        if found is None:
            raise WalletRefused("not_found", status=404)
        return found

    # Debits and holds

    def debit(self, client_id: str, fields: Row, digest: str) -> Row:
        """Take or hold money of a wallet."""
        number = fields["number"]
        known = self._known("balance_debits", client_id, number, digest)
        if known is not None:
            return known
        wallet = self._one("balance_wallets", "wallet_id = ?", fields["wallet_id"])
        amount = fields["amount"]
        if wallet is None:
            raise WalletRefused("wallet_unknown")
        if wallet["status"] != "active":
            raise WalletRefused(f"wallet_{wallet['status']}")
        if wallet["currency"] != fields["currency"]:
            raise WalletRefused("currency_mismatch")
        if wallet["available"] < amount:
            raise WalletRefused("funds_short")
        is_hold = fields["hold"]
        self._db.execute(
            "UPDATE balance_wallets SET available = available - ?, held = held + ?"
            " WHERE wallet_id = ?",
            (amount, amount if is_hold else 0, wallet["wallet_id"]),
        )
        return self._enter_debit(
            client_id,
            number,
            digest,
            wallet_id=wallet["wallet_id"],
            amount=amount,
            captured=0 if is_hold else amount,
            currency=wallet["currency"],
            status="held" if is_hold else "done",
        )

    def found_debit(self, client_id: str, number: str) -> Row:
        """A debit or hold by its number. Raises `WalletRefused` `not_found`."""
        found = self._numbered("balance_debits", client_id, number)
        if found is None:
            raise WalletRefused("not_found", status=404)
        return found

    def close(self, client_id: str, number: str, *, reverse: bool) -> Row:
        """Have a number take nothing any more; `reverse` gives back what it took."""
        found = self._numbered("balance_debits", client_id, number)
        if found is None:
            return self._enter_debit(
                client_id,
                number,
                "",
                wallet_id="",
                amount=0,
                captured=0,
                currency="",
                status="closed",
            )
        if not reverse or found["status"] not in ("done", "held"):
            return found
        if found["refunded"] or (found["status"] == "held" and found["captured"]):
            raise WalletRefused("busy", status=409)
        held = found["amount"] if found["status"] == "held" else 0
        self._move(found["wallet_id"], available=found["amount"], held=-held)
        self._set(client_id, number, status="reversed", captured=0)
        return self.found_debit(client_id, number)

    def void(self, client_id: str, number: str) -> Row:
        """Let go of what is left of a hold."""
        found = self.found_debit(client_id, number)
        if found["status"] == "held":
            left = found["amount"] - found["captured"]
            self._move(found["wallet_id"], available=left, held=-left)
            status = "done" if found["captured"] else "closed"
            self._set(client_id, number, status=status, captured=found["captured"])
        return self.found_debit(client_id, number)

    def capture(self, client_id: str, debit: str, fields: Row, digest: str) -> Row:
        """Take of a hold."""
        known = self._known("balance_captures", client_id, fields["number"], digest)
        if known is not None:
            return known
        found = self.found_debit(client_id, debit)
        if found["status"] != "held" or found["currency"] != fields["currency"]:
            raise WalletRefused("hold_over")
        if fields["amount"] > found["amount"] - found["captured"]:
            raise WalletRefused("capture_exceeds")
        self._move(found["wallet_id"], available=0, held=-fields["amount"])
        captured = found["captured"] + fields["amount"]
        self._set(client_id, debit, status="held", captured=captured)
        if fields["final"] or captured == found["amount"]:
            self.void(client_id, debit)
        return self._enter("balance_captures", client_id, debit, fields, digest)

    def found_capture(self, client_id: str, number: str) -> Row:
        """A capture by its number. Raises `WalletRefused` `not_found`."""
        found = self._numbered("balance_captures", client_id, number)
        if found is None:
            raise WalletRefused("not_found", status=404)
        return found

    # Credits

    def credit(self, client_id: str, fields: Row, digest: str) -> Row:
        """Give back of what a debit took."""
        known = self._known("balance_credits", client_id, fields["number"], digest)
        if known is not None:
            return known
        found = self.found_debit(client_id, fields["debit"])
        if found["currency"] != fields["currency"]:
            raise WalletRefused("currency_mismatch")
        if fields["amount"] > found["captured"] - found["refunded"]:
            raise WalletRefused("credit_exceeds")
        if self.wallet(found["wallet_id"])["status"] == "closed":
            raise WalletRefused("wallet_closed")
        self._move(found["wallet_id"], available=fields["amount"], held=0)
        self._db.execute(
            "UPDATE balance_debits SET refunded = refunded + ? WHERE client_id = ? AND number = ?",
            (fields["amount"], client_id, fields["debit"]),
        )
        return self._enter("balance_credits", client_id, fields["debit"], fields, digest)

    def found_credit(self, client_id: str, number: str) -> Row:
        """A credit by its number. Raises `WalletRefused` `not_found`."""
        found = self._numbered("balance_credits", client_id, number)
        if found is None:
            raise WalletRefused("not_found", status=404)
        return found

    # The outside truth

    def shown(self, account_id: str | None) -> dict[str, list[Row]]:
        """Debits as orders, credits as refunds."""
        debits = self._rows(
            "SELECT number AS out_trade_no, reference AS channel_order_no, amount, currency,"
            " CASE WHEN captured > 0 THEN 'paid' WHEN status = 'held' THEN 'open'"
            " ELSE 'closed' END AS status, refunded, captured FROM balance_debits"
            " WHERE client_id = coalesce(?, client_id) ORDER BY rowid",
            account_id,
        )
        credits = self._rows(
            "SELECT number AS out_refund_no, debit AS out_trade_no, amount, 'succeeded' AS status"
            " FROM balance_credits WHERE client_id = coalesce(?, client_id) ORDER BY rowid",
            account_id,
        )
        return {"orders": debits, "refunds": credits, "transfers": []}

    # Rows

    def _now(self) -> int:
        return to_ms(self._clock())

    def _rows(self, sql: str, *values: Any) -> list[Row]:
        found = self._db.execute(sql, values)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def _one(self, table: str, where: str, *values: Any) -> Row | None:
        # Table and condition are literals of this file; all that comes from outside is bound.
        rows = self._rows(f"SELECT * FROM {table} WHERE {where}", *values)
        return rows[0] if rows else None

    def _numbered(self, table: str, client_id: str, number: str) -> Row | None:
        return self._one(table, "client_id = ? AND number = ?", client_id, number)

    def _known(self, table: str, client_id: str, number: str, digest: str) -> Row | None:
        """What a number did before. Raises `number_conflict` if it was asked for otherwise."""
        found = self._numbered(table, client_id, number)
        if found is not None and found["digest"] not in ("", digest):
            raise WalletRefused("number_conflict", status=409)
        return found

    def _move(self, wallet_id: str, *, available: int, held: int) -> None:
        self._db.execute(
            "UPDATE balance_wallets SET available = available + ?, held = held + ?"
            " WHERE wallet_id = ?",
            (available, held, wallet_id),
        )

    def _set(self, client_id: str, number: str, *, status: str, captured: int) -> None:
        self._db.execute(
            "UPDATE balance_debits SET status = ?, captured = ? WHERE client_id = ? AND number = ?",
            (status, captured, client_id, number),
        )

    def _enter_debit(self, client_id: str, number: str, digest: str, **fields: Any) -> Row:
        self._db.execute(
            "INSERT INTO balance_debits (client_id, number, digest, wallet_id, reference, amount,"
            " captured, currency, status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                client_id,
                number,
                digest,
                fields["wallet_id"],
                "wtx" + secrets.token_hex(10),
                fields["amount"],
                fields["captured"],
                fields["currency"],
                fields["status"],
                self._now(),
            ),
        )
        return self.found_debit(client_id, number)

    def _enter(self, table: str, client_id: str, debit: str, fields: Row, digest: str) -> Row:
        self._db.execute(
            f"INSERT INTO {table} (client_id, number, digest, debit, reference, amount,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                client_id,
                fields["number"],
                digest,
                debit,
                "wtx" + secrets.token_hex(10),
                fields["amount"],
                self._now(),
            ),
        )
        found = self._numbered(table, client_id, fields["number"])
        if found is None:
            raise LookupError("a row that was written is not there")
        return found


def shown_debit(row: Row) -> Row:
    """A debit as it is answered."""
    at = from_ms(row["created_at"])
    until = from_ms(row["created_at"] + HOLD_MS).isoformat() if row["status"] == "held" else None
    names = ("number", "wallet_id", "reference", "amount", "captured", "refunded", "currency")
    said = {name: row[name] for name in names}
    return {**said, "status": row["status"], "at": at.isoformat(), "until": until}


def shown_part(row: Row) -> Row:
    """A capture or credit as it is answered."""
    names = ("number", "debit", "reference", "amount")
    said = {name: row[name] for name in names}
    return {**said, "status": "done", "at": from_ms(row["created_at"]).isoformat()}
