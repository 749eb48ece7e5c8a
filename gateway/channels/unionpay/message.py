"""Messages to UnionPay: common fields, signature, and the doors they go to.

Law: complete and signed. Every message says who sends it (`merId`, `certId`), which trade it is
about (`orderId` and `txnTime`) and what kind of trade (`Kind`); fields without a value are left
out. Nothing random is in a message: the same arguments give the same bytes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from gateway.channels.codec import AccountView, PayOrder
from gateway.channels.unionpay.credential import credential_of
from gateway.channels.unionpay.dialect import CURRENCY_CODE, beijing_text
from gateway.channels.unionpay.signature import SIGNATURE, sign
from gateway.channels.wire import HttpRequest

VERSION = "5.1.0"
ENCODING = "UTF-8"
SIGN_METHOD = "01"  # RSA
ACCESS_TYPE = "0"  # a merchant of its own
FRONT = "frontTransReq.do"
BACK = "backTransReq.do"
QUERY = "queryTrans.do"
FILES = "fileTransfer.do"
CHANNEL_WEB = "07"
CHANNEL_MOBILE = "08"
BIZ_WEB = "000201"
BIZ_OTHER = "000000"
BIZ_QUICK = "000301"
BIZ_TOKEN = "000902"  # noqa: S105 - a kind of business, no secret

_FILE_HOSTS = {
    "gateway.95516.com": "https://filedownload.95516.com/",
    "gateway.test.95516.com": "https://filedownload.test.95516.com/",
}
_HEADERS = (("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8"),)


class Kind(NamedTuple):
    """What sort of trade a message is about: `txnType`, `txnSubType`, `bizType`, `channelType`."""

    txn_type: str
    txn_sub_type: str
    biz_type: str
    channel_type: str = CHANNEL_WEB

    def fields(self) -> dict[str, str]:
        """As fields of a message."""
        return {
            "txnType": self.txn_type,
            "txnSubType": self.txn_sub_type,
            "bizType": self.biz_type,
            "channelType": self.channel_type,
        }


QUERY_KIND = Kind("00", "00", BIZ_OTHER)


def money(amount: int) -> dict[str, str]:
    """The fields of an amount in fen."""
    return {"txnAmt": str(amount), "currencyCode": CURRENCY_CODE}


def trade(order_id: str, created_at: datetime) -> dict[str, str]:
    """The two fields that name a trade."""
    return {"orderId": order_id, "txnTime": beijing_text(created_at)}


def order_trade(order: PayOrder) -> dict[str, str]:
    """The two fields that name an attempt at UnionPay."""
    return trade(order.attempt_no, order.created_at)


def signed_fields(account: AccountView, kind: Kind, fields: Mapping[str, str]) -> dict[str, str]:
    """A whole message. Raises `gateway.channels.crypto.KeyUnusable`."""
    credential = credential_of(account.credentials)
    message = {
        "version": VERSION,
        "encoding": ENCODING,
        "signMethod": SIGN_METHOD,
        "certId": credential.cert_id,
        "accessType": ACCESS_TYPE,
        "merId": account.credentials["mer_id"],
        **kind.fields(),
        **{name: value for name, value in fields.items() if value},
    }
    message[SIGNATURE] = sign(message, credential.private_key)
    return message


def post(url: str, message: Mapping[str, str]) -> HttpRequest:
    """The request that carries a message."""
    return HttpRequest(
        method="POST", url=url, headers=_HEADERS, body=urlencode(message).encode("ascii")
    )


def request(account: AccountView, door: str, kind: Kind, fields: Mapping[str, str]) -> HttpRequest:
    """A signed message to one of the gateway's doors."""
    return post(door_url(account, door), signed_fields(account, kind, fields))


def query(account: AccountView, named: Mapping[str, str]) -> HttpRequest:
    """Ask about the trade that `named` (see `trade`) names."""
    return request(account, QUERY, QUERY_KIND, named)


def door_url(account: AccountView, door: str) -> str:
    """The address of a door of the gateway."""
    return f"{account.gateway_url.rstrip('/')}/{door}"


def files_url(account: AccountView) -> str:
    """Where statement files lie: `file_url` of the account, else the host beside the gateway."""
    given = account.credentials.get("file_url")
    if given:
        return given
    host = urlsplit(account.gateway_url).hostname or ""
    return _FILE_HOSTS.get(host) or door_url(account, FILES)
