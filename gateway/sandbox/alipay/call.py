"""One call of the pretend Alipay's gateway, its sender proven: what is asked, what is answered.

Law: values only. What a method needs of the request is here, and nothing of HTTP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.sandbox.alipay.accounts import Account
from gateway.sandbox.alipay.fields import Fields
from gateway.sandbox.book import Order

CERTIFIED: Final = "certified"
"""Kept beside the content of an order that came in certificate mode (see `Fields.canonical`)."""
RETURN_URL: Final = "return_url"
HOLD_PRODUCTS: Final = ("PREAUTH_PAY", "PRE_AUTH", "PRE_AUTH_ONLINE")
HOLD_PREFIX: Final = "hold:"
"""Before the number of an order that is money held and no charge; no merchant's number has a colon.
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A proven request. `certified` when it came in certificate mode."""

    account: Account
    fields: Fields
    notify_url: str | None = None
    return_url: str | None = None
    certified: bool = False

    def content(self) -> str:
        """What of the call makes an order the same or another one."""
        mode = "yes" if self.certified else ""
        return self.fields.canonical(certified=mode, return_url=self.return_url or "")


class Answer(NamedTuple):
    """What a method answers; `cut` when the connection is to be cut instead."""

    node: Mapping[str, Any]
    cut: bool = False


def success(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node of code 10000."""
    return {"code": "10000", "msg": "Success", **node}


def in_progress(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node of code 10003: taken, and the payer must do something."""
    return {"code": "10003", "msg": "order success pay inprocess", **node}


def numbers(order: Order) -> dict[str, Any]:
    """Both numbers of a trade."""
    return {"trade_no": order.channel_order_no, "out_trade_no": order.out_trade_no}
