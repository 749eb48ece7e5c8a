"""Bits: what one flipped bit of a signed message does.

Law: every bit is flipped, one at a time. A message is then refused, or it reads exactly as it did:
bits that carry nothing (a space, the case of a percent sequence, an unsigned header) may change,
a meaning may not.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from gateway.channels.codec import CallbackRefused, Unknown, VerifiedCallback
from gateway.channels.wire import CallbackRequest
from gateway.conformance.case import FIRST, calls_back, case, disturbed, signs_answers
from gateway.conformance.judgement import expect, fail
from gateway.conformance.stage import Stage

BITS = 8
REFUSED_SHARE_MIN = 90
"""Percent of the flips that must be refused: a signature that covers little is none."""


@case(calls_back, over=FIRST)
async def each_bit_of_a_callback(stage: Stage) -> None:
    """Every flipped bit of a genuine callback is refused, or changes nothing of its meaning."""
    paid = await stage.paid()
    if paid.heard is None or paid.heard.verified is None:
        fail("no genuine callback came")
    genuine, verified = paid.heard.request, paid.heard.verified
    refused = total = 0
    for body in _flipped(genuine.body):
        total += 1
        refused += _is_refused(stage, replace(genuine, body=body), verified)
    _expect_most(refused, total)
    for headers in _flipped_headers(genuine.headers):
        _is_refused(stage, replace(genuine, headers=headers), verified)


@case(disturbed("query"), signs_answers, over=FIRST)
async def each_bit_of_an_answer(stage: Stage) -> None:
    """Every flipped bit of a genuine answer makes it unknown, or changes nothing of its meaning."""
    paid = await stage.paid()
    genuine = await stage.exchange("query", paid.order)
    response = genuine.response
    if response is None:
        fail("the query was not answered")
    refused = total = 0
    for body in _flipped(response.body):
        total += 1
        read = stage.read("query", paid.order, replace(response, body=body))
        refused += isinstance(read, Unknown)
        expect(
            isinstance(read, Unknown) or read == genuine.outcome, f"a flipped bit made it {read!r}"
        )
    _expect_most(refused, total)
    for headers in _flipped_headers(response.headers):
        read = stage.read("query", paid.order, replace(response, headers=headers))
        expect(
            isinstance(read, Unknown) or read == genuine.outcome, f"a flipped bit made it {read!r}"
        )


def _expect_most(refused: int, total: int) -> None:
    expect(
        refused * 100 >= total * REFUSED_SHARE_MIN, f"only {refused} of {total} flips are refused"
    )


def _is_refused(stage: Stage, message: CallbackRequest, genuine: VerifiedCallback) -> bool:
    """Whether a changed message is refused; raises `Violation` if it reads as anything else."""
    try:
        read = stage.codec.read_callback(stage.account, message, stage.clock.wall())
    except CallbackRefused:
        return True
    except Exception as error:  # told as the codec's fault
        fail(f"read_callback raised {type(error).__name__}: {error}")
    expect(read == genuine, f"a flipped bit made it {read!r}")
    return False


def _flipped(raw: bytes) -> Iterator[bytes]:
    for position in range(len(raw) * BITS):
        changed = bytearray(raw)
        changed[position // BITS] ^= 1 << position % BITS
        yield bytes(changed)


def _flipped_headers(headers: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for name, value in headers.items():
        for raw in _flipped(value.encode("utf-8", "replace")):
            yield {**headers, name: raw.decode("utf-8", "replace")}
