"""Twins: how much faster the compiled fast path is than its pure twin, and than nothing but HMAC.

Law: both twins are called in one process with the same arguments, in turns, and must give the same
result before they are timed. The whole fast path of a create is every compiled piece that one
create goes through, each called as often as a create calls it; `PIECES` lists them, and a piece
that joins the fast path joins the list.
"""

import base64
import hmac
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from benchmarks import requests
from benchmarks.finding import Finding, Row, Table, Verdict
from benchmarks.load import RunVoid
from benchmarks.requests import Signer
from benchmarks.stage import Stage
from benchmarks.stopwatch import Call, nanoseconds

NAME = "twins"
ABOUT = "the compiled fast path beside its pure twin, and verifying beside bare hmac.digest"

SECRET = bytes(range(32))
SIGNER = Signer("mch_01jd3x2n5sf7x8k2m4p6q8r0ab", "key_01jd3x2n5sf7x8k2m4p6q8r0ab", SECRET)
TARGET = "/v1/payments"
BODY = (
    b'{"merchant_order_no":"create-a1b2c3-1-00000042","amount":12345,"currency":"CNY",'
    b'"subject":"Green tea, 250 g","metadata":{"cart":"42"}}'
)
AMOUNT_TEXT, EXPONENT = "123.45", 2
NONCE = "abcdefghijklmnop00000042"


class Twin(NamedTuple):
    """One of the twins: its modules by subject."""

    amount: ModuleType
    identifier: ModuleType
    keyed: ModuleType
    order: ModuleType
    request: ModuleType
    signature: ModuleType


def twin(suffix: str) -> Twin:
    """`py` or `c`. Raises ImportError where the compiled twin is missing."""
    return Twin(*(importlib.import_module(f"fastpath._{name}_{suffix}") for name in Twin._fields))


def raw() -> bytes:
    """A whole create as it comes over the wire."""
    return requests.signed(SIGNER, "POST", TARGET, BODY, nonce=NONCE)


def header() -> bytes:
    """Its Authorization header."""
    line = next(each for each in raw().split(b"\r\n") if each.startswith(b"Authorization: "))
    return line.partition(b": ")[2]


def scan(of: Twin) -> Call:
    """Read the request line and the headers."""
    data, read = raw(), of.request.scan_request
    return lambda: read(data)


def parse(of: Twin) -> Call:
    """Read the Authorization header."""
    text, read = header(), of.signature.parse_authorization
    return lambda: read(text)


def window(of: Twin) -> Call:
    """Whether the time stamp is of now."""
    check = of.signature.in_window
    return lambda: check(1_700_000_000, 1_700_000_100)


def check_signature(of: Twin) -> Call:
    """Verify the signature under a key that is known already."""
    found = of.signature.parse_authorization(header())
    check, target = of.keyed.HmacKey(SECRET).verify_request, TARGET.encode()
    return lambda: check(b"POST", target, found.ts_text, found.nonce, BODY, found.sig)


def verify(of: Twin) -> Call:
    """Read the Authorization header and verify its signature."""
    first, second = parse(of), check_signature(of)

    def call() -> object:
        first()
        return second()

    return call


def body(of: Twin) -> Call:
    """Read the order."""
    read = of.order.read_order
    return lambda: read(BODY)


def fingerprint(of: Twin) -> Call:
    """The keyed fingerprint that tells a repeat from another order."""
    content, make = b"create_payment\n/v1/payments\n" + BODY, of.keyed.HmacKey(SECRET).digest
    return lambda: make(content)


def identifier(of: Twin) -> Call:
    """Make the payment's id, in both of its forms."""
    make = of.identifier.make_identifier
    return lambda: make("pay", 1_700_000_000_000, 1_234, 987_654_321)


def read_identifier(of: Twin) -> Call:
    """Read the bucket and the digits of the merchant's id."""
    numbers, digits = of.identifier.read_numbers, of.identifier.read_digits
    return lambda: (numbers(SIGNER.merchant_id), digits(SIGNER.merchant_id))


def amount(of: Twin) -> Call:
    """Read an amount in decimal text, as channels write it."""
    read = of.amount.parse_decimal
    return lambda: read(AMOUNT_TEXT, EXPONENT)


PIECES: tuple[Callable[[Twin], Call], ...] = (
    scan,
    body,
    parse,
    window,
    check_signature,
    fingerprint,
    identifier,
    read_identifier,
)


def whole(of: Twin) -> Call:
    """Every piece of the fast path that a create goes through."""
    calls = tuple(piece(of) for piece in PIECES)

    def call() -> object:
        return [each() for each in calls]

    return call


def digest() -> Call:
    """Nothing but the HMAC of the very bytes that a create signs."""
    found = twin("py").signature.parse_authorization(header())
    message = b"POST\n/v1/payments\n%b\n%b\n%b\n" % (_bytes(found.ts_text), found.nonce, BODY)
    expected = base64.b64encode(hmac.digest(SECRET, message, "sha256"))
    if expected != _bytes(found.sig) and hmac.digest(SECRET, message, "sha256") != found.sig:
        raise RunVoid("the bytes are not those that were signed")
    return lambda: hmac.digest(SECRET, message, "sha256")


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


async def measure(stage: Stage) -> Finding:
    """Both twins. Raises `RunVoid` when they disagree or the compiled one is missing."""
    try:
        pure, compiled = twin("py"), twin("c")
    except ImportError as error:
        raise RunVoid(f"there is no compiled twin to measure: {error}") from None
    subjects = {
        "verify a request": verify,
        "read an amount": amount,
        "whole fast path of a create": whole,
    }
    parts = {piece.__name__.replace("_", " "): piece for piece in PIECES}
    calls: dict[str, Call] = {"digest": digest()}
    for name, subject in {**subjects, **parts}.items():
        first, second = subject(pure), subject(compiled)
        if first() != second():
            raise RunVoid(f"{name}: the twins disagree")
        calls[f"{name}, pure"], calls[f"{name}, compiled"] = first, second
    took = nanoseconds(calls, quick=stage.plan.quick)
    ratios = {
        name: took[f"{name}, pure"] / took[f"{name}, compiled"] for name in (*subjects, *parts)
    }
    rows: list[Row] = [
        [name, round(took[f"{name}, pure"]), round(took[f"{name}, compiled"]), round(value, 2)]
        for name, value in ratios.items()
    ]
    return Finding(
        name=NAME,
        about=ABOUT,
        proof="both twins gave the same results",
        verdicts=[
            *(
                Verdict(
                    what=f"pure twin / compiled twin: {name}",
                    value=ratios[name],
                    target=5,
                    at_least=3,
                )
                for name in subjects
            ),
            Verdict(
                what="verify an HMAC request / bare hmac.digest of the same bytes",
                value=took["check signature, compiled"] / took["digest"],
                target=1.5,
                at_least=2.5,
                more_is_better=False,
            ),
        ],
        tables=[
            Table(
                name=NAME,
                title="time of one call",
                head=["", "pure ns", "compiled ns", "pure / compiled"],
                rows=[*rows, ["hmac.digest of the same bytes", round(took["digest"]), "", ""]],
            )
        ],
    )
