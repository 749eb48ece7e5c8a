"""Limits of amounts: what a channel would never take is refused before a byte leaves.

Law: pure; a refusal names the limit. Which limits hold is each channel's own knowledge.
"""

from gateway.domain.errors import TillgateError


def check_amount(
    amount: int, currency: str, *, channel: str, only: str, least: int, greatest: int
) -> None:
    """Refuse another currency than `only`, and minor units beyond `least` and `greatest`.

    `channel` is its name as people read it. Raises `TillgateError` `unsupported_currency`,
    `amount_below_minimum` or `limit_exceeded`.
    """
    if currency != only:
        raise TillgateError(
            "unsupported_currency", f"{channel} takes {only} only.", param="/currency"
        )
    if amount < least:
        raise TillgateError(
            "amount_below_minimum", f"The least amount is {least}.", param="/amount"
        )
    if amount > greatest:
        raise TillgateError(
            "limit_exceeded", f"The greatest amount is {greatest}.", param="/amount"
        )
