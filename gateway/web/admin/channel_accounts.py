"""The doors of channel accounts.

Law: credentials go in and never come out.
"""

from gateway.center.onboard import AccountWanted, Onboard
from gateway.center.ports import Directory
from gateway.domain.registration import view_account
from gateway.web.admin import objects
from gateway.web.admin.doors import (
    BASE,
    READ,
    WRITE,
    answer,
    caller_of,
    created,
    id_of,
    list_answer,
    numbered,
)
from gateway.web.admin.schemas import CreateChannelAccount, Empty
from gateway.web.body import convert, read_json
from gateway.web.parameters import read_query
from gateway.web.reply import Reply
from gateway.web.request import Request
from gateway.web.routing import Route

PATH = BASE + "/channel_accounts"
OF_MERCHANT = BASE + "/merchants/{merchant_id}/channel_accounts"


class ChannelAccounts:
    """The handlers of merchants' registrations at channels."""

    def __init__(self, *, onboard: Onboard, directory: Directory) -> None:
        self._onboard = onboard
        self._directory = directory

    def routes(self) -> list[Route]:
        """The routes of channel accounts."""
        return [
            Route(
                "POST",
                OF_MERCHANT,
                self.create,
                "create_channel_account",
                WRITE,
                status=201,
                summary="Register a merchant at a channel.",
                body=CreateChannelAccount,
                answer=objects.ChannelAccount,
                refusals=(
                    "missing_field",
                    "unsupported_method",
                    "account_ref_conflict",
                    "limit_exceeded",
                ),
            ),
            Route(
                "GET",
                OF_MERCHANT,
                self.list,
                "list_channel_accounts",
                READ,
                summary="All registrations of a merchant, newest first, without credentials.",
                query=Empty,
                answer=objects.ChannelAccountList,
            ),
            Route(
                "GET",
                PATH + "/{channel_account_id}",
                self.get,
                "get_channel_account",
                READ,
                summary="A registration at a channel.",
                query=Empty,
                answer=objects.ChannelAccount,
            ),
        ]

    async def create(self, request: Request) -> Reply:
        """`POST /admin/v1/merchants/{merchant_id}/channel_accounts`."""
        caller = caller_of(request)
        merchant_id = id_of(request, "mch", "merchant_id")
        value = read_json(request.body)
        body = convert(value, CreateChannelAccount)
        account, is_new = await self._onboard.create_account(
            merchant_id,
            AccountWanted(
                channel=body.channel,
                methods=body.methods,
                credentials=body.credentials,
                weight=body.weight,
                priority=body.priority,
            ),
            numbered(
                request,
                self._directory.fingerprints,
                "create_channel_account",
                value,
                ref=body.account_ref,
                param="/account_ref",
            ),
            actor=caller.key.id,
            request_id=request.request_id,
        )
        location = f"{PATH}/{account.id}"
        return created(request, view_account(account), is_new=is_new, location=location)

    async def list(self, request: Request) -> Reply:
        """`GET /admin/v1/merchants/{merchant_id}/channel_accounts`."""
        caller_of(request)
        read_query(request.query, Empty)
        found = await self._onboard.accounts_of(id_of(request, "mch", "merchant_id"))
        return list_answer(request, [view_account(account) for account in found])

    async def get(self, request: Request) -> Reply:
        """`GET /admin/v1/channel_accounts/{channel_account_id}`."""
        caller_of(request)
        read_query(request.query, Empty)
        account_id = id_of(request, "cac", "channel_account_id")
        return answer(request, view_account(await self._onboard.account(account_id)))
