"""Money: integer minor units and the currencies that exist.

Law: exponents come from ISO 4217 (never from CLDR, which differs for 13 currencies); amounts are
integers, 1 to `AMOUNT_MINOR_MAX`; nothing here knows a float. Source: ISO 4217 list one.
"""

from iso4217 import Currency

from fastpath.amount import AMOUNT_MINOR_MAX
from gateway.domain.errors import TillgateError

EXPONENTS: dict[str, int] = {
    currency.code: currency.exponent
    for currency in Currency
    if currency.exponent is not None and currency.exponent <= 4
}


def is_currency(code: str) -> bool:
    """Whether `code` is a currency of ISO 4217 that has a minor unit."""
    return code in EXPONENTS


def check_currency(code: str, param: str = "/currency") -> str:
    """`code` if it is a currency of ISO 4217 that has a minor unit, else `invalid_currency`."""
    if not is_currency(code):
        raise TillgateError(
            "invalid_currency",
            "The currency must be an upper-case ISO 4217 code such as CNY.",
            param=param,
        )
    return code


def check_amount(amount: int, param: str = "/amount") -> int:
    """`amount` if it is an integer of 1 to 999999999999 minor units, else `invalid_amount`."""
    if type(amount) is not int or not 1 <= amount <= AMOUNT_MINOR_MAX:
        raise TillgateError(
            "invalid_amount",
            f"The amount must be an integer of minor units from 1 to {AMOUNT_MINOR_MAX}.",
            param=param,
        )
    return amount
