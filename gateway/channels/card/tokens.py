"""What stands for a card in an order: a token, never a card number.

Law: a card number never leaves, is never stored and never quoted. Every option, whatever its name,
and every text of an order is looked at before a byte of it goes anywhere; what looks like a card
number, or has the name of a part of a card, is refused with `card_number_refused`.
"""

import re

from gateway.channels.codec import PayOrder
from gateway.domain.errors import TillgateError
from gateway.domain.text import has_card_number

OPTION = "payment_method"

_TOKEN = re.compile(r"pm_[A-Za-z0-9_]{1,252}")
_DIGITS = re.compile(r"[0-9](?:[ .-]?[0-9]){11,18}")
_PARTS_OF_A_CARD = re.compile(
    r"number|pan|cvc2?|cvv2?|csc|cid|security_code|exp|exp_month|exp_year|expiry|track_?[12]?"
)
_WORDS = re.compile(r"[^a-z0-9_]+|card_")


def check_tokens(order: PayOrder) -> None:
    """Raises `card_number_refused`, `missing_field`, `unknown_field` or `invalid_field`."""
    options = order.method_options
    for name, value in options.items():
        param = f"/method_options/{name}"
        if has_card_number(name):
            _refuse("/method_options")
        if _names_a_part_of_a_card(name) or _looks_like_a_card(value):
            _refuse(param)
    for param, text in (("/subject", order.subject), ("/return_url", order.return_url or "")):
        if has_card_number(text):
            _refuse(param)
    for name in sorted(options):
        if name != OPTION:
            raise TillgateError(
                "unknown_field",
                f"Card payments take the option {OPTION} only.",
                param=f"/method_options/{name}",
            )
    param = f"/method_options/{OPTION}"
    if OPTION not in options:
        raise TillgateError(
            "missing_field", "Card payments need the token of a card, pm_....", param=param
        )
    if not _TOKEN.fullmatch(options[OPTION]):
        raise TillgateError("invalid_field", "A token of a card begins with pm_.", param=param)


def _refuse(param: str) -> None:
    raise TillgateError(
        "card_number_refused",
        "Card data is not taken here; send a token (pm_...) of the card.",
        param=param,
    )


def _looks_like_a_card(value: str) -> bool:
    """A known network's number anywhere in it, or nothing but as many digits as a card has."""
    return has_card_number(value) or _DIGITS.fullmatch(value.strip()) is not None


def _names_a_part_of_a_card(name: str) -> bool:
    words = _WORDS.split(name.lower())
    return any(_PARTS_OF_A_CARD.fullmatch(word) for word in words if word)
