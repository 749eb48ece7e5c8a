"""Judgement: what the suite says of one case of one channel.

Law: three verdicts. `passed` was shown, `failed` was shown with the broken rule in words, and
`not_offered` was not tried, with the reason in the contract's own words. Nothing is skipped for
any other reason.
"""

from typing import Literal, NoReturn

from msgspec import Struct

Word = Literal["passed", "failed", "not_offered"]


class Violation(Exception):
    """The channel broke the contract; the text says how, without secrets."""


class Finding(Struct, frozen=True, kw_only=True):
    """One case of one channel, for one way to pay where the case is told by way.

    `text` is empty for what passed. `seconds` is how long it took.
    """

    channel: str
    mode: str = ""
    case: str
    way: str | None
    verdict: Word
    text: str = ""
    seconds: float = 0.0


def expect(holds: object, text: str) -> None:
    """Raise `Violation` with `text` unless `holds`."""
    if not holds:
        raise Violation(text)


def fail(text: str) -> NoReturn:
    """Raise `Violation`."""
    raise Violation(text)
