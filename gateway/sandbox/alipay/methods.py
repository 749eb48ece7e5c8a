"""The methods of the pretend Alipay's gateway: their words for faults, and who carries them out.

Law: a table. A method that is not in it does not exist; a fault that has no meaning for a method
cannot be armed.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from gateway.sandbox.alipay.call import Answer, Call
from gateway.sandbox.faults import AMOUNT_REQUEST_FAULTS, NOTIFICATION_FAULTS, REQUEST_FAULTS

OPERATIONS: Final = {
    "alipay.trade.precreate": "precreate",
    "alipay.trade.pay": "pay",
    "alipay.trade.query": "query",
    "alipay.trade.close": "close",
    "alipay.trade.cancel": "cancel",
    "alipay.trade.refund": "refund",
    "alipay.trade.fastpay.refund.query": "refund_query",
    "alipay.fund.auth.order.voucher.create": "voucher",
    "alipay.fund.auth.order.freeze": "freeze",
    "alipay.fund.auth.operation.detail.query": "hold_query",
    "alipay.fund.auth.operation.cancel": "hold_cancel",
    "alipay.fund.auth.order.unfreeze": "unfreeze",
    "alipay.fund.trans.uni.transfer": "transfer",
    "alipay.fund.trans.common.query": "transfer_query",
    "alipay.data.dataservice.bill.downloadurl.query": "statement",
    "alipay.open.app.alipaycert.download": "certificate",
}
"""Method -> operation, the word that faults use; `alipay.trade.pay` is also `capture`."""

CAPTURE: Final = "capture"
PAGES: Final = frozenset({"alipay.trade.page.pay", "alipay.trade.wap.pay"})
"""What a payer's browser opens; nothing is answered to the merchant."""
ORDER_STRINGS: Final = frozenset({"alipay.trade.app.pay"})
CERTIFIED_ONLY: Final = frozenset(
    {"alipay.fund.trans.uni.transfer", "alipay.fund.trans.common.query"}
)
"""Fund products: in certificate mode only."""

_WITH_AMOUNTS: Final = frozenset(
    {
        "pay",
        CAPTURE,
        "query",
        "refund",
        "refund_query",
        "freeze",
        "hold_query",
        "unfreeze",
        "transfer_query",
    }
)

FAULTS: Final[Mapping[str, frozenset[str]]] = {
    **{
        word: AMOUNT_REQUEST_FAULTS if word in _WITH_AMOUNTS else REQUEST_FAULTS
        for word in (*OPERATIONS.values(), CAPTURE)
    },
    "notify": NOTIFICATION_FAULTS,
}


class Method(NamedTuple):
    """One method: its operation and what carries it out."""

    operation: str
    carry_out: Callable[[Call], Answer]
