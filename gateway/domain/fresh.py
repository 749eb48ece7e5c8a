"""Fresh payments: new ones that nobody was asked to pay yet, as the texts they will be stored as.

Law: pure values. What a merchant orders most is written most often, so here it has the shape of the
row it becomes and of the event it tells, and nothing is made that only a later step could need. No
text holds a control character (the doors refuse them), so a row can be one text.
"""

from msgspec import Struct

from gateway.domain.change import Need


class FreshPayment(Struct, frozen=True, gc=False):
    """A payment at version 1, without attempt and customer.

    `payment_hex` are the 32 digits of its id; times are Unix milliseconds of business time; `data`
    is its view, the JSON text of the event and of the answer.
    """

    merchant_id: str
    payment_id: str
    payment_hex: str
    merchant_order_no: str
    fingerprint: bytes
    fingerprint_key: int
    amount: int
    currency: str
    subject: str
    livemode: bool
    capture_method: str
    created_ms: int
    expires_ms: int
    return_url: str | None
    notify_url: str | None
    metadata: str
    actor: str
    request_id: str | None
    data: str

    @property
    def number(self) -> Need:
        """The number that must be new."""
        return Need("payment_no", self.merchant_order_no)
