"""The doors of the balance: what a merchant has, and what moved it.

Law: reads of the ledger only.
"""

from functools import partial
from typing import Any

import msgspec

from gateway.center.cache_ports import Loaded
from gateway.center.query import Query
from gateway.domain import cursor, ids
from gateway.domain.events import rfc3339
from gateway.domain.money import check_currency
from gateway.web.api import objects
from gateway.web.api.pages import Pages
from gateway.web.api.payments import list_body
from gateway.web.api.schemas import NoParameters, TransactionsQuery
from gateway.web.parameters import limit_of, read_query
from gateway.web.reply import Reply, json_reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = "/v1/balance"
_FROM_THE_TOP = 2**63 - 1

_encode = msgspec.json.Encoder().encode


class Balance:
    """The handlers of `/v1/balance`."""

    def __init__(self, *, query: Query, pages: Pages, cursor_key: bytes) -> None:
        self._query = query
        self._pages = pages
        self._cursor_key = cursor_key

    def routes(self) -> list[Route]:
        """The routes of the balance."""
        return [
            Route(
                "GET",
                PATH,
                self.get,
                "get_balance",
                "reports.read",
                summary="Pending, available and held money per currency.",
                query=NoParameters,
                answer=objects.Balance,
            ),
            Route(
                "GET",
                PATH + "/transactions",
                self.transactions,
                "list_balance_transactions",
                "reports.read",
                kept=True,
                summary="What moved a balance, newest first, with the balance after it.",
                query=TransactionsQuery,
                answer=objects.TransactionList,
            ),
        ]

    async def get(self, request: Request) -> Reply:
        """`GET /v1/balance`."""
        read_query(request.query, NoParameters)
        balances = await self._query.balances(request.caller.merchant.id)
        body = _encode({"object": "balance", "balances": balances})
        return json_reply(200, body, request_id=request.request_id)

    async def transactions(self, request: Request) -> Reply:
        """`GET /v1/balance/transactions`."""
        asked = read_query(request.query, TransactionsQuery)
        check_currency(asked.currency)
        merchant_id = request.caller.merchant.id
        return await self._pages.reply(request, partial(self._page, merchant_id, asked))

    async def _page(self, merchant_id: str, asked: TransactionsQuery) -> Loaded:
        place = {
            "merchant_id": merchant_id,
            "path": PATH,
            "filters": f"{asked.account}|{asked.currency}",
        }
        before = _FROM_THE_TOP
        if asked.cursor is not None:
            before = int(cursor.read(self._cursor_key, asked.cursor, **place))
        limit = limit_of(asked.limit)
        rows = await self._query.transactions(
            merchant_id,
            code=asked.account,
            currency=asked.currency,
            before=before,
            limit=limit + 1,
        )
        page, more = rows[:limit], len(rows) > limit
        following = None
        if more:
            following = cursor.make(self._cursor_key, last=str(page[-1]["sequence"]), **place)
        body = list_body([_encode(_transaction(row)) for row in page], more, following)
        return Loaded(body, is_personal=False)


def _transaction(row: dict[str, Any]) -> dict[str, object]:
    return {
        "sequence": row["sequence"],
        "at": rfc3339(row["at"]),
        "kind": row["reason"],
        "amount": row["credited"],
        "balance_after": row["balance_after"],
        "reference": ids.from_uuid(row["reference_kind"], row["reference"]),
        "entry_id": ids.from_uuid("ent", row["entry_id"]),
    }
