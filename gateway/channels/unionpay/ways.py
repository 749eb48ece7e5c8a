"""The ways to pay with UnionPay: one line of `WAYS` for each method of the API.

Law: a way says what kind of trade it is and what is special about it; everything after that
(query, refund, callback) is the same for all ways.

| method             | the payer                                   | txnType | asked beforehand   |
|--------------------|---------------------------------------------|---------|--------------------|
| unionpay_web       | takes a signed form to UnionPay's page      | 01      | nobody             |
| unionpay_qr        | scans a QR code with a bank's app           | 01      | for the code       |
| unionpay_quick     | answers a code that came by SMS             | 01      | for the SMS (77)   |
| unionpay_preauth   | takes a signed form; the money is held only | 02      | nobody             |
"""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.channels.unionpay.message import (
    BIZ_OTHER,
    BIZ_QUICK,
    BIZ_TOKEN,
    BIZ_WEB,
    CHANNEL_MOBILE,
    Kind,
)

WEB = "unionpay_web"
QR = "unionpay_qr"
QUICK = "unionpay_quick"
PREAUTH = "unionpay_preauth"


class Way(NamedTuple):
    """One way: the kind of its trade; whether it holds only, goes by a form or by SMS.

    `final_when_failed`: nobody but us can try the order again, so a failed try ends it.
    """

    kind: Kind
    by_form: bool = False
    holds: bool = False
    by_sms: bool = False

    @property
    def final_when_failed(self) -> bool:
        """A trade that we carry to UnionPay ourselves is not tried again by anyone else."""
        return self.by_sms


WAYS: Mapping[str, Way] = {
    WEB: Way(Kind("01", "01", BIZ_WEB), by_form=True),
    QR: Way(Kind("01", "07", BIZ_OTHER, CHANNEL_MOBILE)),
    QUICK: Way(Kind("01", "01", BIZ_QUICK), by_sms=True),
    PREAUTH: Way(Kind("02", "01", BIZ_WEB), by_form=True, holds=True),
}

TOKEN_CONSUME = Kind("01", "01", BIZ_TOKEN)
PHONE_CONSUME = WAYS[QUICK].kind
SMS_TXN_TYPE = "77"
SMS_TXN_SUB_TYPE = "02"
