"""A call: one request to the pretend WeChat Pay whose sender is proved.

Law: made by the door after the signature stood, never before. What a method may know of the
request is here.
"""

from typing import NamedTuple

from aiohttp import web

from gateway.sandbox.wechat.accounts import Account
from gateway.sandbox.wechat.fields import Fields
from gateway.sandbox.wechat.platform import Signer
from gateway.sandbox.wechat.refusals import Refusal


class Call(NamedTuple):
    """A request whose sender is proved."""

    request: web.Request
    account: Account
    signer: Signer
    named: str | None
    body: bytes

    @property
    def number(self) -> str:
        """The number in the path."""
        return self.request.match_info["number"]

    @property
    def fields(self) -> Fields:
        """The members of the body. Raises `Refusal`."""
        return Fields.of(self.body)

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(self.request.query)

    @property
    def origin(self) -> str:
        """Where the caller found us."""
        return f"{self.request.scheme}://{self.request.host}"


def check_headers(request: web.Request) -> None:
    """What every request must say of itself. Raises `Refusal`."""
    if not request.headers.get("User-Agent"):
        raise Refusal("PARAM_ERROR", "User-Agent is missing")
    accept = request.headers.get("Accept", "")
    if "application/json" not in accept and "*/*" not in accept:
        raise Refusal("PARAM_ERROR", "Accept must be application/json")
    if request.method == "POST" and request.content_type != "application/json":
        raise Refusal("PARAM_ERROR", "Content-Type must be application/json")


def check_mchid(account: Account, mchid: str | None) -> None:
    """A merchant speaks of itself only. Raises `Refusal`."""
    if mchid != account.mchid:
        raise Refusal("PARAM_ERROR", "mchid is not the one that signed")
