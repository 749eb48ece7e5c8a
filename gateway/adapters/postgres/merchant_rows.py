"""The rows of a merchant within a batch, and the tables that they may be of.

Law: rows are values, kept under every key by which they were asked for; nothing here reads or
writes a database.
"""

from typing import Any

from gateway.adapters.postgres import (
    attempts,
    callbacks,
    notify_secrets,
    offline_receipts,
    payer_keys,
    payments,
    refunds,
    statement_lines,
    unexpected_funds,
    webhook_endpoints,
)
from gateway.adapters.postgres.tables import Load, Table
from gateway.domain import chart
from gateway.domain.change import Need, Writes
from gateway.domain.ledger import Account

TABLES: tuple[Table, ...] = (
    payments.TABLE,
    attempts.TABLE,
    refunds.TABLE,
    unexpected_funds.TABLE,
    statement_lines.TABLE,
    statement_lines.TALLIES,
    offline_receipts.TABLE,
    callbacks.TABLE,
    payer_keys.TABLE,
    webhook_endpoints.TABLE,
    notify_secrets.TABLE,
)
BY_KIND: dict[str, Table] = {table.kind: table for table in TABLES}
BY_TYPE: dict[type, Table] = {table.value: table for table in TABLES}
LOADS: dict[str, tuple[Table, Load]] = {
    kind: (table, each) for table in TABLES for kind, each in table.loads.items()
}


class MerchantRows:
    """The rows of one merchant within a batch, under every key by which they were asked for."""

    __slots__ = ("accounts", "accounts_loaded", "loaded", "merchant_id", "rows")

    def __init__(self, merchant_id: str) -> None:
        self.merchant_id = merchant_id
        self.rows: dict[Need, Any] = {}
        self.loaded: dict[Need, int] = {}  # versions as stored, by place
        self.accounts: dict[tuple[str, str], Account] = {}
        self.accounts_loaded: dict[tuple[str, str], Account] = {}

    def get(self, need: Need) -> Any:
        """The row, or None. Rows are kept by place; other keys lead there."""
        found = self.rows.get(need)
        return self.rows.get(found) if type(found) is Need else found

    def account(self, code: str, currency: str) -> Account:
        """The account, opened empty if it does not exist."""
        key = (code, currency)
        account = self.accounts.get(key)
        if account is None:
            account = self.accounts[key] = chart.opened(self.merchant_id, code, currency)
        return account

    def keep(self, row: Any) -> None:
        """Keep a row under its place, and its place under every other key."""
        place = row.place
        self.rows[place] = row
        for kind, each in BY_KIND[place.kind].loads.items():
            if kind != place.kind:
                self.rows[Need(kind, each.key_of(row))] = place


def rows_of(writes: Writes, merchant_id: str) -> MerchantRows:
    """The rows that a decision wrote, for those that come after it."""
    rows = MerchantRows(merchant_id)
    for row in writes.rows:
        rows.keep(row)
    return rows
