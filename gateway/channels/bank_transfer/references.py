"""References: short numbers by which a transfer is known, made, checked and found in free text.

Law: pure, and a wrong check is never repaired. A reference is derived from the attempt's number
alone, so it needs no store and no luck. Three kinds:

    crockford  10 characters of Crockford's base32 and his check symbol (mod 37); numbers whose
               check symbol would be no letter or digit (`* ~ $ = U`) are passed over
    rf         ISO 11649: `RF`, two check digits (mod 97-10) and 12 characters of base32
    virtual    an account number: the bank's prefix, 12 digits and two check digits (mod 97-10)

People type small letters, blanks and hyphens, and O for 0 or I and L for 1: all of this is read as
what was meant, because the alphabet has no O, I, L and U. Everything that could be a reference is a
candidate; which one is an attempt's, the books know.

Sources: Crockford, "Base 32"; ISO 11649; ISO/IEC 7064 (mod 97-10).
"""

import hashlib
import re
import unicodedata

CROCKFORD = "crockford"
RF = "rf"
KINDS = (CROCKFORD, RF)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CROCKFORD_CHARS = 11
RF_BODY_CHARS = 12
RF_CHARS = 4 + RF_BODY_CHARS
VIRTUAL_DIGITS = 12
PREFIX_DIGITS_MAX = 14
TEXT_CHARS_MAX = 2_000
CANDIDATES_MAX = 64

_CHECK_MODULUS = 37
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_MEANT = str.maketrans("OIL", "011")
_SEPARATORS = re.compile(r"[\s\-./_:,;'+]+")
_RUN = re.compile(r"[0-9A-Z]+")
_PREFIX = re.compile(rf"[1-9][0-9]{{0,{PREFIX_DIGITS_MAX - 1}}}")


def make_reference(kind: str, attempt_no: str) -> str:
    """The reference of an attempt. Raises ValueError for an unknown kind."""
    if kind == CROCKFORD:
        return _crockford(attempt_no)
    if kind == RF:
        body = _base32(_number(attempt_no, 0, RF_BODY_CHARS * 5), RF_BODY_CHARS)
        return f"RF{_check_digits(body + 'RF00'):02d}{body}"
    raise ValueError(f"no kind of reference: {kind}")


def make_virtual_account(prefix: str, attempt_no: str) -> str:
    """The account number of an attempt. Raises ValueError for a prefix that is no digits."""
    if not is_prefix(prefix):
        raise ValueError("a prefix has 1 to 14 digits and does not begin with 0")
    number = f"{prefix}{_number(attempt_no, 0, 64) % 10**VIRTUAL_DIGITS:0{VIRTUAL_DIGITS}d}"
    return f"{number}{98 - int(number) * 100 % 97:02d}"


def is_prefix(text: str) -> bool:
    """Whether `text` can be the prefix of virtual accounts."""
    return _PREFIX.fullmatch(text) is not None


def is_reference(text: str) -> bool:
    """Whether `text`, as it was made, is a reference of some kind with a right check."""
    return _is_crockford(text) or _is_rf(text)


def is_virtual_account(prefix: str, text: str) -> bool:
    """Whether `text` is a virtual account below `prefix` with right check digits."""
    whole = len(prefix) + VIRTUAL_DIGITS + 2
    return (
        len(text) == whole
        and text.isascii()
        and text.isdecimal()
        and text.startswith(prefix)
        and int(text) % 97 == 1
    )


def find_references(text: str) -> tuple[str, ...]:
    """All references that `text` may contain, in its order, each once; at most CANDIDATES_MAX."""
    found: dict[str, None] = {}
    squeezed = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text[:TEXT_CHARS_MAX]).upper())
    for run in _RUN.findall(squeezed):
        meant = run.translate(_MEANT)
        for start in range(len(meant)):
            for length, is_right in ((RF_CHARS, _is_rf), (CROCKFORD_CHARS, _is_crockford)):
                part = meant[start : start + length]
                if is_right(part):
                    found[part] = None
            if len(found) >= CANDIDATES_MAX:
                return tuple(found)
    return tuple(found)


def find_virtual_accounts(prefix: str, text: str) -> tuple[str, ...]:
    """The virtual account that an account number is, if it is one, blanks apart."""
    digits = _SEPARATORS.sub("", text)
    return (digits,) if is_virtual_account(prefix, digits) else ()


def _number(attempt_no: str, round_no: int, bits: int) -> int:
    digest = hashlib.sha256(f"{attempt_no}:{round_no}".encode()).digest()
    return int.from_bytes(digest) >> 256 - bits


def _base32(number: int, chars: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(chars)))


def _crockford(attempt_no: str) -> str:
    round_no = 0
    while True:
        number = _number(attempt_no, round_no, 50)
        if number % _CHECK_MODULUS < len(ALPHABET):
            return _base32(number, 10) + ALPHABET[number % _CHECK_MODULUS]
        round_no += 1


def _is_crockford(text: str) -> bool:
    if len(text) != CROCKFORD_CHARS or not _VALUES.keys() >= set(text):
        return False
    number = 0
    for symbol in text[:-1]:
        number = number << 5 | _VALUES[symbol]
    return number % _CHECK_MODULUS == _VALUES[text[-1]]


def _is_rf(text: str) -> bool:
    if len(text) != RF_CHARS or text[:2] != RF.upper():
        return False
    if not (text[2:4].isascii() and text[2:4].isdecimal() and _VALUES.keys() >= set(text[4:])):
        return False
    return _as_digits(text[4:] + text[:4]) % 97 == 1


def _as_digits(text: str) -> int:
    """Letters as 10 to 35, as ISO 7064 counts them."""
    return int("".join(str(int(symbol, 36)) for symbol in text))


def _check_digits(text: str) -> int:
    return 98 - _as_digits(text) % 97
