"""The door of bank statements.

Law: shape only. The body is the file itself, of any media type; what its lines do is decided in
`domain.statement_line`. The same file again does nothing, so no number is asked for.
"""

from gateway.center.statement import Imported, Settled, StatementImport
from gateway.domain.events import rfc3339_or_none
from gateway.web.admin import objects
from gateway.web.admin.channel_accounts import PATH
from gateway.web.admin.doors import WRITE, answer, caller_of, id_of
from gateway.web.reply import Reply
from gateway.web.request import Request
from gateway.web.routing import Route


class Statements:
    """The handler of `POST /admin/v1/channel_accounts/{channel_account_id}/statements`."""

    def __init__(self, imports: StatementImport) -> None:
        self._imports = imports

    def routes(self) -> list[Route]:
        """The route of statements."""
        return [
            Route(
                "POST",
                PATH + "/{channel_account_id}/statements",
                self.take,
                "import_statement",
                WRITE,
                raw=True,
                summary="Import a bank statement (camt or columns); repeats do nothing.",
                answer=objects.StatementImport,
                refusals=(
                    "body_too_large",
                    "statement_malformed",
                    "invalid_state",
                ),
            )
        ]

    async def take(self, request: Request) -> Reply:
        """Import the file that the body is."""
        caller = caller_of(request)
        account_id = id_of(request, "cac", "channel_account_id")
        imported = await self._imports.run(
            account_id, request.body, actor=caller.key.id, request_id=request.request_id
        )
        return answer(request, view_import(imported))


def view_import(imported: Imported) -> dict[str, object]:
    """An import as it is shown."""
    return {
        "object": "statement_import",
        "channel_account_id": imported.channel_account_id,
        "lines": imported.lines,
        "verdicts": dict(sorted(imported.verdicts.items())),
        "data": [_view_line(each) for each in imported.shown],
    }


def _view_line(settled: Settled) -> dict[str, object]:
    line = settled.line
    return {
        "id": line.id,
        "object": "statement_line",
        "direction": line.direction,
        "amount": line.amount,
        "currency": line.currency,
        "verdict": settled.verdict,
        "suspended": line.suspended,
        "payment_id": line.payment_id,
        "refund_id": line.refund_id,
        "bank_reference": line.bank_reference,
        "booked_at": rfc3339_or_none(line.booked_at),
    }
