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

    signature: ModuleType
    amount: ModuleType


def twin(suffix: str) -> Twin:
    """`py` or `c`. Raises ImportError where the compiled twin is missing."""
    return Twin(*(importlib.import_module(f"fastpath._{name}_{suffix}") for name in Twin._fields))


def header() -> bytes:
    """The Authorization header of a create."""
    raw = requests.signed(SIGNER, "POST", TARGET, BODY, nonce=NONCE)
    line = next(each for each in raw.split(b"\r\n") if each.startswith(b"Authorization: "))
    return line.partition(b": ")[2]


def verify(of: Twin) -> Call:
    """Read the header of a create and verify its signature."""
    text, parse, check = (
        header(),
        of.signature.parse_authorization,
        of.signature.verify_request_hmac,
    )

    def call() -> object:
        found = parse(text)
        return check(SECRET, b"POST", b"/v1/payments", found.ts_text, found.nonce, BODY, found.sig)

    return call


def window(of: Twin) -> Call:
    """Whether the time stamp is of now."""
    check = of.signature.in_window
    return lambda: check(1_700_000_000, 1_700_000_100)


def minor(of: Twin) -> Call:
    """Check an amount in minor units."""
    check = of.amount.check_minor
    return lambda: check(12_345)


def amount(of: Twin) -> Call:
    """Read an amount in decimal text, as channels write it."""
    parse = of.amount.parse_decimal
    return lambda: parse(AMOUNT_TEXT, EXPONENT)


PIECES: tuple[Callable[[Twin], Call], ...] = (verify, window, minor)


def whole(of: Twin) -> Call:
    """Every piece of the fast path that a create goes through."""
    calls = tuple(piece(of) for piece in PIECES)

    def call() -> object:
        return [each() for each in calls]

    return call


def digest() -> Call:
    """Nothing but the HMAC of the very bytes that a create signs."""
    found = importlib.import_module("fastpath._signature_py").parse_authorization(header())
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
    calls: dict[str, Call] = {"digest": digest()}
    for name, subject in subjects.items():
        first, second = subject(pure), subject(compiled)
        if first() != second():
            raise RunVoid(f"{name}: the twins disagree")
        calls[f"{name}, pure"], calls[f"{name}, compiled"] = first, second
    took = nanoseconds(calls, quick=stage.plan.quick)
    ratios = {name: took[f"{name}, pure"] / took[f"{name}, compiled"] for name in subjects}
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
                    what=f"pure twin / compiled twin: {name}", value=value, target=5, at_least=3
                )
                for name, value in ratios.items()
            ),
            Verdict(
                what="verify an HMAC request / bare hmac.digest of the same bytes",
                value=took["verify a request, compiled"] / took["digest"],
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
