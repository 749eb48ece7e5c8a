"""What UnionPay's answer codes mean: the only refusals and ends that Tillgate believes.

Law: a refusal is listed here or it is no refusal. An entry belongs here only if the answer is
signed and proves that *this* request had no effect. Left out on purpose, so that they are
`Unknown` and the trade is queried:

- 00 to a trade that moves money says that it was taken, not that it is done;
- 03 04 05 06 70 83 99: the outcome is not known yet;
- 42 74 75: the payer's money was taken, something after that went wrong;
- 12: a trade of this number and time exists, perhaps done;
- 35 36 45 46 to a refund or capture: an earlier sending of the very same one may be the reason;
- 01 37 and every other general failure;
- query, close and void have no refusals at all: that *they* were refused says nothing about the
  order. 45 to a void is its proof: the trade was voided (or wholly refunded) before.

`TRY_FAILED` are the codes of a try that failed for good. A payer may try again under the same
order until its time is over, so they end an order only after that.

Source: UnionPay, platform access specification, part 5 (appendix), answer codes.
"""

from collections.abc import Mapping

from gateway.channels.codec import Refused, Unknown
from gateway.channels.meanings import refused

OK = "00"
OK_FLAWED = "A6"
DONE = frozenset({OK, OK_FLAWED})
TAKEN = "05"
NOT_FOUND = "34"
ENDED_BEFORE = "45"
NO_FILE = "98"
SMS_CODE_WRONG = "71"

Refusals = Mapping[str, str]

# Made before a trade is looked at.
_DOOR: dict[str, str] = {
    "02": "channel_busy",
    "10": "channel_refused",
    "11": "channel_misconfigured",
    "13": "channel_refused",
    "31": "account_suspended",
    "32": "channel_misconfigured",
    "33": "amount_limit",
    "39": "channel_busy",
    "43": "channel_misconfigured",
}

# The payer's card or person.
_PAYER: dict[str, str] = {
    "30": "card_declined",
    "38": "payer_declined",
    "40": "payer_declined",
    "44": "payer_declined",
    "60": "card_declined",
    "61": "card_declined",
    "62": "card_declined",
    "63": "card_declined",
    "64": "payer_funds_short",
    "65": "authentication_failed",
    "66": "authentication_failed",
    "67": "authentication_failed",
    "68": "card_declined",
    "69": "authentication_failed",
    "72": "card_declined",
    "73": "card_declined",
    "76": "card_declined",
    "77": "card_declined",
    "78": "card_declined",
    "79": "card_declined",
    "80": "code_unusable",
    "81": "amount_limit",
    "82": "authentication_failed",
    "84": "channel_refused",
    "86": "code_unusable",
    "88": "payer_declined",
}

QR: Refusals = _DOOR | {"38": "channel_refused"}
SMS: Refusals = _DOOR | _PAYER | {"37": "channel_busy"}
CONSUME: Refusals = _DOOR | _PAYER | {SMS_CODE_WRONG: "sms_code_wrong"}
REFUND: Refusals = _DOOR
CAPTURE: Refusals = _DOOR
FILE: Refusals = _DOOR

# The state of a refund or capture itself, asked for under its own number: it came to nothing.
_MOVE_FAILED: dict[str, str] = {
    **dict.fromkeys(("30", "38", "60", "61", "62", "63", "68", "78"), "card_declined"),
    **_DOOR,
}
REFUND_FAILED: Refusals = {
    **dict.fromkeys(_MOVE_FAILED, "refund_not_allowed"),
    "35": "refund_not_allowed",
    "36": "refund_amount_refused",
    "45": "refund_not_allowed",
    "64": "channel_balance_short",
}
CAPTURE_FAILED: Refusals = _MOVE_FAILED | {
    "35": "channel_refused",
    "36": "channel_refused",
    "45": "channel_refused",
    "64": "payer_funds_short",
}

TRY_FAILED = frozenset(_PAYER) | {"01", "31", "32", "33", "39", "43", SMS_CODE_WRONG}


def refusal(table: Refusals, code: str) -> Refused | Unknown:
    """The listed refusal for a signed answer's code; `Unknown` for everything else."""
    meaning = table.get(code)
    if meaning is None:
        return Unknown(reason="the channel's code is not a listed one", channel_code=code)
    return refused(meaning, code)
