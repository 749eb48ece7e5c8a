"""Terms: ids, amounts, moments and other single values, as the OpenAPI document describes them.

Law: a description, never a filter; see objects.py.
"""

from typing import Annotated, Any

from msgspec import Meta

from fastpath.amount import AMOUNT_MINOR_MAX
from gateway.domain.lifecycle import PAYMENT, REFUND

_ID = "_[0-7][0-9a-hjkmnp-tv-z]{25}$"
_INT64 = {"format": "int64"}

PaymentId = Annotated[str, Meta(pattern="^pay" + _ID)]
AttemptId = Annotated[str, Meta(pattern="^att" + _ID)]
RefundId = Annotated[str, Meta(pattern="^rfd" + _ID)]
EventId = Annotated[str, Meta(pattern="^evt" + _ID)]
EntryId = Annotated[str, Meta(pattern="^ent" + _ID)]
EndpointId = Annotated[str, Meta(pattern="^whe" + _ID)]
DeliveryId = Annotated[str, Meta(pattern="^dlv" + _ID)]
MerchantId = Annotated[str, Meta(pattern="^mch" + _ID)]
KeyId = Annotated[str, Meta(pattern="^key" + _ID)]
ChannelAccountId = Annotated[str, Meta(pattern="^cac" + _ID)]
RequestId = Annotated[str, Meta(pattern="^req" + _ID)]
AnyId = Annotated[str, Meta(pattern="^[a-z]{2,5}" + _ID)]

# The ids that stand in paths, by the name of their placeholder.
PLACEHOLDERS: dict[str, Any] = {
    "payment_id": PaymentId,
    "refund_id": RefundId,
    "event_id": EventId,
    "endpoint_id": EndpointId,
    "merchant_id": MerchantId,
    "key_id": KeyId,
    "channel_account_id": ChannelAccountId,
}

Moment = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="RFC 3339, UTC, milliseconds.",
        extra_json_schema={"format": "date-time"},
    ),
]
Amount = Annotated[
    int,
    Meta(
        ge=0,
        le=AMOUNT_MINOR_MAX,
        description="Minor units of the currency (fen for CNY).",
        extra_json_schema=_INT64,
    ),
]
Signed = Annotated[
    int,
    Meta(description="Minor units of the currency; may be negative.", extra_json_schema=_INT64),
]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217.")]
Sequence = Annotated[int, Meta(ge=1, extra_json_schema=_INT64)]
Version = Annotated[int, Meta(ge=1, description="Rises with every change.")]
Url = Annotated[str, Meta(max_length=512, extra_json_schema={"format": "uri"})]
Secret = Annotated[str, Meta(pattern="^whsec_[A-Za-z0-9+/]{43}=$")]
PublicKey = Annotated[str, Meta(pattern="^whpk_[A-Za-z0-9+/]{43}=$")]

PaymentStatus = Annotated[str, Meta(extra_json_schema={"enum": list(PAYMENT)})]
RefundStatus = Annotated[
    str, Meta(extra_json_schema={"enum": [s for s in REFUND if s != "created"]})
]
