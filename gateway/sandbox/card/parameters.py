"""The parameters of a request to the pretend Stripe, read strictly.

Law: nothing is guessed or repaired, and no parameter is passed over: what nobody read is refused by
`done` (`parameter_unknown`). A parameter is `name`, `name[key]` or `name[]` (also `name[0]`), from
the form body or, for reading requests, the query; a name may stand once. Amounts are decimal
integers of minor units. Source: Stripe API reference, form encoding as its clients send it.
"""

import re
from typing import Final
from urllib.parse import parse_qsl

from iso4217 import Currency

from gateway.sandbox.card.refusals import invalid, missing

FIELDS_MAX: Final = 128
TEXT_CHARS_MAX: Final = 5_000
METADATA_MEMBERS_MAX: Final = 50
METADATA_KEY_CHARS_MAX: Final = 40
METADATA_VALUE_CHARS_MAX: Final = 500
AMOUNT_MAX: Final = 999_999_999_999

CURRENCIES: Final = frozenset(currency.code.lower() for currency in Currency)

_NAME: Final = re.compile(r"([a-z_]+)(?:\[([^\[\]]*)\])?", re.ASCII)
_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)
_INDEX: Final = re.compile(r"[0-9]{0,4}", re.ASCII)


class Parameters:
    """The parameters of one request. Its readers raise `Refusal` for an ill-formed one."""

    def __init__(self, encoded: str) -> None:
        pairs = _pairs(encoded)
        self.canonical = sorted(pairs)
        self._left: dict[str, list[tuple[str | None, str]]] = {}
        for name, value in pairs:
            match = _NAME.fullmatch(name)
            if match is None:
                raise invalid(f"Received unknown parameter: {name[:64]}", code="parameter_unknown")
            self._add(match[1], match[2], value)

    def _add(self, name: str, key: str | None, value: str) -> None:
        known = self._left.setdefault(name, [])
        mixed = any((each is None) != (key is None) for each, _ in known)
        repeated = key != "" and any(each == key for each, _ in known)
        if mixed or repeated:
            raise invalid(f"Parameter sent twice: {name}", param=name)
        known.append((key, value))

    def _is_plain(self, name: str) -> bool:
        return self._left[name][0][0] is None

    def has(self, name: str) -> bool:
        """Whether it was sent and not read yet."""
        return name in self._left

    def text(self, name: str, *, chars_max: int = TEXT_CHARS_MAX) -> str | None:
        """A text, or None where it is absent or empty (as Stripe's clients send None)."""
        if name not in self._left:
            return None
        if not self._is_plain(name):
            raise invalid(f"Invalid {name}", param=name)
        value = self._left.pop(name)[0][1]
        if len(value) > chars_max or any(ord(c) < 0x20 or ord(c) == 0x7F for c in value):
            raise invalid(f"Invalid {name}", param=name)
        return value or None

    def required_text(self, name: str, *, chars_max: int = TEXT_CHARS_MAX) -> str:
        """As `text`, but it must be there."""
        value = self.text(name, chars_max=chars_max)
        if value is None:
            raise missing(name)
        return value

    def word(self, name: str, words: tuple[str, ...]) -> str | None:
        """One of the given words, or None."""
        value = self.text(name)
        if value is not None and value not in words:
            raise invalid(f"Invalid {name}: must be one of {', '.join(words)}", param=name)
        return value

    def boolean(self, name: str) -> bool | None:
        """`true` or `false`, or None."""
        value = self.word(name, ("true", "false"))
        return None if value is None else value == "true"

    def integer(self, name: str, *, at_most: int, at_least: int = 0) -> int | None:
        """A decimal integer within bounds, or None."""
        value = self.text(name)
        if value is None:
            return None
        return _integer(name, value, at_least=at_least, at_most=at_most)

    def amount(self, name: str) -> int | None:
        """An amount of minor units, at least 1, or None."""
        value = self.text(name)
        if value is None:
            return None
        if _INTEGER.fullmatch(value) is None:
            raise invalid(f"Invalid integer: {name}", param=name, code="parameter_invalid_integer")
        if int(value) < 1:
            raise invalid("Amount must be at least 1.", param=name, code="amount_too_small")
        if int(value) > AMOUNT_MAX:
            raise invalid("Amount is too large.", param=name, code="amount_too_large")
        return int(value)

    def mapping(self, name: str) -> dict[str, str] | None:
        """The members of `name[key]`, or None where there is none."""
        if name not in self._left:
            return None
        plain, values = self._is_plain(name), self._left.pop(name)
        if plain:
            if values[0][1]:
                raise invalid(f"Invalid hash: {name}", param=name)
            return {}
        return {key or "": value for key, value in values}

    def metadata(self) -> dict[str, str] | None:
        """The merchant's own members, or None."""
        found = self.mapping("metadata")
        if found is None:
            return None
        for key, value in found.items():
            if not 0 < len(key) <= METADATA_KEY_CHARS_MAX or len(value) > METADATA_VALUE_CHARS_MAX:
                raise invalid("Invalid metadata", param="metadata")
        if len(found) > METADATA_MEMBERS_MAX:
            raise invalid("Metadata has too many members", param="metadata")
        return found

    def texts(self, name: str) -> list[str] | None:
        """The values of `name[]` in order, or None where there is none."""
        if name not in self._left:
            return None
        plain, values = self._is_plain(name), self._left.pop(name)
        if plain or any(not _INDEX.fullmatch(key or "") for key, _ in values):
            raise invalid(f"Invalid array: {name}", param=name)
        return [value for _, value in values]

    def expand(self, allowed: tuple[str, ...]) -> frozenset[str]:
        """Which fields are to be shown whole."""
        wanted = self.texts("expand") or []
        for each in wanted:
            if each not in allowed:
                raise invalid(f"This property cannot be expanded ({each}).", param="expand")
        return frozenset(wanted)

    def created(self) -> tuple[int, int] | None:
        """The range of Unix seconds (both ends inclusive) of `created`, or None."""
        if "created" in self._left and self._is_plain("created"):
            moment = self.integer("created", at_most=10**12)
            return None if moment is None else (moment, moment)
        bounds = self.mapping("created")
        if bounds is None:
            return None
        low, high = 0, 10**12
        for key, value in bounds.items():
            moment = _integer("created", value, at_least=0, at_most=10**12)
            if key in ("gt", "gte"):
                low = max(low, moment + (key == "gt"))
            elif key in ("lt", "lte"):
                high = min(high, moment - (key == "lt"))
            else:
                raise invalid("Invalid created", param="created")
        return low, high

    def done(self) -> None:
        """Raise `Refusal` if a parameter was never read."""
        for name in self._left:
            raise invalid(
                f"Received unknown parameter: {name}", param=name, code="parameter_unknown"
            )


def currency_of(parameters: Parameters) -> str:
    """The currency in lower case, one of ISO 4217; raises `Refusal`."""
    code = parameters.required_text("currency").lower()
    if code not in CURRENCIES:
        raise invalid("Invalid currency", param="currency")
    return code


def _integer(name: str, value: str, *, at_least: int, at_most: int) -> int:
    if _INTEGER.fullmatch(value) is None or not at_least <= int(value) <= at_most:
        raise invalid(f"Invalid integer: {name}", param=name, code="parameter_invalid_integer")
    return int(value)


def _pairs(encoded: str) -> list[tuple[str, str]]:
    if not encoded:
        return []
    try:
        if not encoded.isascii():
            raise ValueError("a form is percent-encoded")
        return parse_qsl(
            encoded,
            keep_blank_values=True,
            strict_parsing=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:
        raise invalid("The form is not well-formed.") from error
