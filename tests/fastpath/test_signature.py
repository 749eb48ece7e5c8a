"""Both twins of `fastpath.signature` against the grammar, the vectors and the forger."""

import base64
import hashlib
import hmac
import string
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fastpath.signature import (
    FAULTS,
    HEADER_BYTES_MAX,
    WINDOW_S,
    Authorization,
    SignatureMalformed,
    verify_ed25519,
    verify_rsa2048_sha256,
)

pytestmark = pytest.mark.fast

MCH = "mch_01h455vb4pex5vsknk084sn02q"
KEY = "key_7zzzzzzzzzzzzzzzzzzzzzzzzz"
NONCE = "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"
SIG = base64.b64encode(bytes(range(32))).decode()
SECRET = b"0123456789abcdef0123456789abcdef"
SCHEME = "TILL1-HMAC-SHA256"


def header(
    *,
    scheme: str = SCHEME,
    joint: str = ",",
    order: tuple[str, ...] = ("mch", "key", "ts", "nonce", "sig"),
    **changed: str,
) -> bytes:
    values = {"mch": MCH, "key": KEY, "ts": "1700000000", "nonce": NONCE, "sig": SIG} | changed
    pairs = joint.join(f'{name}="{values[name]}"' for name in order)
    return f"{scheme} {pairs}".encode("latin-1")


def with_value(name: str, value: str) -> bytes:
    changed: dict[str, Any] = {name: value}
    return header(**changed)


GOOD = header()


# --- the header: what is taken -----------------------------------------------------------------


@pytest.mark.parametrize("joint", [",", ", "])
@pytest.mark.parametrize(
    "order",
    [
        ("mch", "key", "ts", "nonce", "sig"),
        ("sig", "nonce", "ts", "key", "mch"),
        ("ts", "sig", "mch", "nonce", "key"),
    ],
)
@pytest.mark.parametrize("scheme", [SCHEME, "TILL1-ED25519", "TILL1-SHA256-RSA2048"])
def test_header_is_read(
    signature: ModuleType, scheme: str, order: tuple[str, ...], joint: str
) -> None:
    parsed = signature.parse_authorization(header(scheme=scheme, order=order, joint=joint))
    assert type(parsed) is Authorization
    assert parsed == Authorization(
        algorithm=scheme,
        mch=MCH,
        key=KEY,
        ts=1_700_000_000,
        ts_text=b"1700000000",
        nonce=NONCE.encode(),
        sig=bytes(range(32)),
    )
    assert [type(part) for part in parsed] == [str, str, str, int, bytes, bytes, bytes]


def test_joints_may_be_mixed(signature: ModuleType) -> None:
    mixed = header(joint=", ").replace(b", ts", b",ts")
    assert signature.parse_authorization(mixed) == signature.parse_authorization(GOOD)


@pytest.mark.parametrize("ts", ["0000000000", "0000000001", "9999999999"])
def test_ts_keeps_its_text(signature: ModuleType, ts: str) -> None:
    parsed = signature.parse_authorization(header(ts=ts))
    assert (parsed.ts, parsed.ts_text) == (int(ts), ts.encode())


@pytest.mark.parametrize("nonce", ["_" * 16, "-" * 64, "azAZ09_-azAZ09_-"])
def test_nonce_bounds(signature: ModuleType, nonce: str) -> None:
    assert signature.parse_authorization(header(nonce=nonce)).nonce == nonce.encode()


@pytest.mark.parametrize("size", [*range(1, 70), 255, 256, 257, 510, 511, 512])
def test_signature_is_decoded(signature: ModuleType, size: int) -> None:
    for raw in (bytes(size), b"\xff" * size, hashlib.shake_256(b"raw").digest(size)):
        text = base64.b64encode(raw).decode()
        assert signature.parse_authorization(header(sig=text)).sig == raw


def test_longest_header(signature: ModuleType) -> None:
    """The limit is counted in bytes; no well-formed header comes near it, so a fault is asked."""
    for size, reason in ((HEADER_BYTES_MAX, "scheme"), (HEADER_BYTES_MAX + 1, "too_long")):
        with pytest.raises(SignatureMalformed) as caught:
            signature.parse_authorization(b"x" * size)
        assert caught.value.reason == reason


# --- the header: what is refused ---------------------------------------------------------------

MALFORMED: list[tuple[str, bytes]] = [
    # scheme, and exactly one space
    ("scheme", b""),
    ("scheme", b" "),
    ("scheme", SCHEME.encode()),
    ("scheme", b" " + GOOD),
    ("scheme", GOOD.replace(b" ", b"\t", 1)),
    ("scheme", GOOD.replace(b"TILL1", b"till1")),
    ("scheme", GOOD.replace(b"TILL1", b"TILL2")),
    ("scheme", header(scheme="TILL1-HMAC-SHA512")),
    ("scheme", header(scheme="TILL1-HMAC-SHA25")),
    ("scheme", header(scheme="TILL1-HMAC-SHA2566")),
    ("scheme", header(scheme="TILL1-ED2551")),
    ("scheme", header(scheme="TILL1-ED25518")),
    ("scheme", header(scheme="TILL1-SHA256-RSA4096")),
    ("scheme", header(scheme="Bearer")),
    ("scheme", header(scheme="")),
    ("name", GOOD.replace(b" ", b"  ", 1)),
    ("pair", SCHEME.encode() + b" "),
    # the frame: name="value", joints
    ("pair", GOOD[:-1]),
    ("pair", GOOD + b" "),
    ("pair", GOOD + b","),
    ("pair", GOOD + b", "),
    ("pair", GOOD + b"\n"),
    ("pair", GOOD + b"\x00"),
    ("pair", GOOD + b"x"),
    ("pair", header(joint=";")),
    ("pair", header(joint=" ,")),
    ("pair", header(joint=" ")),
    ("pair", header(joint="")),
    ("pair", header(joint="\t")),
    ("pair", GOOD.replace(b'"', b"'")),
    ("pair", GOOD.replace(b'"', b"")),
    ("pair", header(mch='mch_01"h455')),
    ("pair", header(mch='mch_01\\"h455')),
    ("name", header(joint=",  ")),
    ("name", header(joint=",,")),
    ("name", header(joint=",\t")),
    ("name", GOOD.replace(b"mch=", b"mch =")),
    ("name", GOOD.replace(b'mch="', b'mch= "')),
    ("name", GOOD.replace(b"mch=", b"MCH=")),
    ("name", GOOD.replace(b"mch=", b"=")),
    ("name", GOOD.replace(b"mch=", b"mch==")),
    ("name", GOOD.replace(b"mch=", b"mchh=")),
    ("name", GOOD.replace(b"ts=", b"tt=")),
    ("name", GOOD.replace(b"nonce=", b"nonse=")),
    ("name", GOOD.replace(b"mch=", b"mcd=")),
    ("name", GOOD.replace(b"mch=", b"mc\x00=")),
    ("name", GOOD + b',extra="1"'),
    ("name", GOOD.replace(b" mch", b" ,mch", 1)),
    # each name exactly once
    *[("repeated", GOOD + f',{name}="x"'.encode()) for name in ("mch", "key", "ts", "nonce")],
    ("repeated", GOOD + b',sig="' + SIG.encode() + b'"'),
    ("repeated", header(order=("mch", "mch", "key", "ts", "nonce", "sig"))),
    *[
        (
            "missing",
            header(order=tuple(n for n in ("mch", "key", "ts", "nonce", "sig") if n != name)),
        )
        for name in ("mch", "key", "ts", "nonce", "sig")
    ],
    ("missing", header(order=("mch",))),
    # the values
    *[
        (name, with_value(name, prefix + rest))
        for name, prefix in (("mch", "mch_"), ("key", "key_"))
        for rest in (
            "",
            "01h455vb4pex5vsknk084sn02",  # one short
            "01h455vb4pex5vsknk084sn02qq",  # one long
            "81h455vb4pex5vsknk084sn02q",  # above 128 bits
            "a1h455vb4pex5vsknk084sn02q",
            "01H455VB4PEX5VSKNK084SN02Q",
            "01i455vb4pex5vsknk084sn02q",
            "01l455vb4pex5vsknk084sn02q",
            "01o455vb4pex5vsknk084sn02q",
            "01h455vb4pex5vsknk084sn02u",
            "01h455vb4pex5vsknk084sn02\n",
            "01h455vb4pex5vsknk084sn02\x00",
            "01h455vb4pex5vsknk084sn02\xe9",
            " 1h455vb4pex5vsknk084sn02q",
        )
    ],
    ("mch", header(mch=KEY)),
    ("key", header(key=MCH)),
    ("mch", header(mch="")),
    ("key", header(key="KEY" + KEY[3:])),
    *[
        ("ts", header(ts=ts))
        for ts in (
            "",
            "170000000",
            "17000000000",
            "-700000000",
            "+700000000",
            " 700000000",
            "1700000000\n",
            "170000000\n",
            "1_00000000",
            "1.00000000",
            "1e00000000",
            "0x6553f100",
            "17000000\xb2\xb9",  # superscripts, digits to str.isdigit
        )
    ],
    *[
        ("nonce", header(nonce=nonce))
        for nonce in (
            "",
            "a" * 15,
            "a" * 65,
            "a" * 15 + "+",
            "a" * 15 + "/",
            "a" * 15 + "=",
            "a" * 15 + ".",
            "a" * 15 + " ",
            "a" * 16 + "\n",
            "a" * 15 + "\x00",
            "a" * 15 + "\xaa",
        )
    ],
    *[
        ("sig", header(sig=sig))
        for sig in (
            "",
            "=",
            "==",
            "====",
            "A",
            "AA",
            "AAA",
            "A===",
            "AA=A",
            "=AAA",
            "AAAA=",
            "AAAA====",
            "AA==AAAA",
            SIG.rstrip("="),
            SIG + "=",
            SIG + "====",
            SIG[:-2] + "9=",  # the unused last bits are not zero
            "AB==",
            "AAB=",
            SIG + "\n",
            SIG[:20] + "\n" + SIG[20:],
            " " + SIG,
            SIG.replace("A", "-", 1),
            "____",
            "A\x00AA",
            "\xc1AAA",
            base64.b64encode(bytes(513)).decode(),
            base64.b64encode(bytes(514)).decode(),
            base64.b64encode(bytes(600)).decode(),
        )
    ],
]


@pytest.mark.parametrize(("reason", "malformed"), MALFORMED, ids=str)
def test_header_fault_is_refused(signature: ModuleType, reason: str, malformed: bytes) -> None:
    with pytest.raises(SignatureMalformed) as caught:
        signature.parse_authorization(malformed)
    assert caught.value.reason == reason
    assert str(caught.value) == FAULTS[reason]


def test_every_fault_is_in_the_table() -> None:
    assert {reason for reason, _ in MALFORMED} | {"too_long"} == set(FAULTS)


def test_first_fault_wins(signature: ModuleType) -> None:
    """From the frame inwards; a value is looked at only when all five are there."""
    bad = {"mch": "x", "key": "x", "ts": "x", "nonce": "x", "sig": "x"}
    for reason in ("mch", "key", "ts", "nonce", "sig"):
        with pytest.raises(SignatureMalformed) as caught:
            signature.parse_authorization(header(order=tuple(reversed(bad)), **bad))
        assert caught.value.reason == reason
        del bad[reason]
        bad = {
            **bad,
            reason: {"mch": MCH, "key": KEY, "ts": "1" * 10, "nonce": NONCE}.get(reason, SIG),
        }


# --- the message -------------------------------------------------------------------------------


def test_message_is_five_lines(signature: ModuleType) -> None:
    assert signature.build_message(b"GET", b"/v1/x?y=%20", b"1", b"n", b"") == (
        b"GET\n/v1/x?y=%20\n1\nn\n\n"
    )


def test_body_goes_in_raw(signature: ModuleType) -> None:
    body = bytes(range(256)) * 256
    message = signature.build_message(b"", b"", b"", b"", body)
    assert message == b"\n\n\n\n" + body + b"\n"


@pytest.mark.parametrize("index", range(4))
def test_no_line_hides_in_the_head(signature: ModuleType, index: int) -> None:
    """Else `/a\\n1` with one time stamp and `/a` with another would be one message."""
    parts = [b"POST", b"/v1/payments", b"1700000000", b"nonce", b"body"]
    parts[index] += b"\n"
    name = ("method", "target", "ts_text", "nonce")[index]
    with pytest.raises(ValueError, match=f"^{name} must not contain a line feed$"):
        signature.build_message(*parts)


@pytest.mark.parametrize("wrong", [None, "text", bytearray(b"x"), memoryview(b"x"), 1, [b"x"]])
def test_only_bytes_are_taken(signature: ModuleType, wrong: object) -> None:
    calls: list[tuple[Callable[..., Any], tuple[Any, ...], tuple[str, ...]]] = [
        (signature.parse_authorization, (GOOD,), ("header",)),
        (
            signature.build_message,
            (b"m",) * 5,
            ("method", "target", "ts_text", "nonce", "body"),
        ),
    ]
    for function, arguments, names in calls:
        for index, name in enumerate(names):
            changed = [*arguments[:index], wrong, *arguments[index + 1 :]]
            with pytest.raises(TypeError) as caught:
                function(*changed)
            assert str(caught.value) == f"{name} must be bytes, not {type(wrong).__name__}"


# --- the forger --------------------------------------------------------------------------------

Signer = Callable[[bytes], bytes]
Verifier = Callable[[ModuleType, list[bytes], bytes], bool]


def _hmac(_: RSAPrivateKey) -> tuple[str, Signer, Verifier]:
    def verify(signature: ModuleType, parts: list[bytes], made: bytes) -> bool:
        keyed = import_module(signature.__name__.replace("signature", "keyed"))
        verified: bool = keyed.HmacKey(SECRET).verify_request(*parts, made)
        return verified

    return SCHEME, lambda message: hmac.digest(SECRET, message, "sha256"), verify


def _ed25519(_: RSAPrivateKey) -> tuple[str, Signer, Verifier]:
    private = Ed25519PrivateKey.from_private_bytes(SECRET)
    public = private.public_key().public_bytes_raw()
    return (
        "TILL1-ED25519",
        private.sign,
        lambda twin, parts, made: verify_ed25519(public, twin.build_message(*parts), made),
    )


def _rsa(private: RSAPrivateKey) -> tuple[str, Signer, Verifier]:
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return (
        "TILL1-SHA256-RSA2048",
        lambda message: private.sign(message, PKCS1v15(), SHA256()),
        lambda twin, parts, made: verify_rsa2048_sha256(public, twin.build_message(*parts), made),
    )


def _flips(whole: bytes) -> Iterator[bytes]:
    for index in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[index] ^= 1 << bit
            yield bytes(flipped)


@pytest.mark.parametrize("algorithm", [_hmac, _ed25519, _rsa])
def test_no_single_bit_can_change(
    signature: ModuleType,
    rsa_key: RSAPrivateKey,
    algorithm: Callable[[RSAPrivateKey], tuple[str, Signer, Verifier]],
) -> None:
    scheme, sign, verify = algorithm(rsa_key)
    method, target, body = b"POST", b"/v1/payments?x=1", b'{"amount":100}'
    message = signature.build_message(method, target, b"1700000000", NONCE.encode(), body)
    text = base64.b64encode(sign(message)).decode()
    request = [method, target, body, header(scheme=scheme, joint=", ", sig=text)]

    def accepts(method: bytes, target: bytes, body: bytes, line: bytes) -> bool:
        try:
            parsed = signature.parse_authorization(line)
        except SignatureMalformed:
            return False
        # As the caller does: algorithm and merchant are properties of the stored key.
        if (parsed.algorithm, parsed.mch, parsed.key) != (scheme, MCH, KEY):
            return False
        return verify(signature, [method, target, parsed.ts_text, parsed.nonce, body], parsed.sig)

    assert accepts(*request)
    for index, part in enumerate(request):
        others = [part[:-1], part + b" ", *_flips(part)]
        for other in others:
            changed = [*request[:index], other, *request[index + 1 :]]
            assert not accepts(*changed), (index, other)


# --- the window --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ts", "now", "inside"),
    [
        (1_700_000_000, 1_700_000_000, True),
        (1_700_000_000, 1_700_000_300, True),
        (1_700_000_000, 1_699_999_700, True),
        (1_700_000_000, 1_700_000_301, False),
        (1_700_000_000, 1_699_999_699, False),
        (0, 1_700_000_000, False),
        (9_999_999_999, 1_700_000_000, False),
        (2**63 - 1, -(2**63), False),
        (2**64, 2**64 + 300, True),
        (2**64, 0, False),
        (-(2**200), 2**200, False),
    ],
)
def test_window(signature: ModuleType, ts: int, now: int, inside: bool) -> None:
    assert WINDOW_S == 300
    assert signature.in_window(ts, now) is inside
    assert signature.in_window(now, ts) is inside


def test_window_may_be_named(signature: ModuleType) -> None:
    assert signature.in_window(10, 15, window=5) is True
    assert signature.in_window(10, 16, 5) is False
    assert signature.in_window(10, 10, 0) is True
    assert signature.in_window(10, 10, -1) is False


@pytest.mark.parametrize("wrong", [True, 1.0, "1", None, b"1700000000"])
def test_window_takes_ints_only(signature: ModuleType, wrong: object) -> None:
    for index, name in enumerate(("ts", "now", "window")):
        arguments: list[object] = [1, 1, 1]
        arguments[index] = wrong
        with pytest.raises(TypeError, match=f"^{name} must be int, not {type(wrong).__name__}$"):
            signature.in_window(*arguments)


def test_alphabets_are_exact(signature: ModuleType) -> None:
    """Every byte, at a place where only the alphabet decides."""
    ids = "0123456789abcdefghjkmnpqrstvwxyz"
    nonces = string.ascii_letters + string.digits + "_-"
    base64s = string.ascii_letters + string.digits + "+/"
    for code in range(256):
        character = chr(code)
        for name, value, alphabet in (
            ("mch", MCH[:-1] + character, ids),
            ("key", KEY[:10] + character + KEY[11:], ids),
            ("mch", "mch_" + character + MCH[5:], "01234567"),
            ("ts", "170000000" + character, string.digits),
            ("nonce", NONCE[:-1] + character, nonces),
            ("sig", character + SIG[1:], base64s),
            ("sig", SIG[:4] + character + SIG[5:], base64s),
        ):
            # A quote ends the value early: that is a fault of the frame, see the table.
            if character == '"':
                continue
            try:
                signature.parse_authorization(with_value(name, value))
            except SignatureMalformed as malformed:
                assert malformed.reason == name
                assert character not in alphabet
            else:
                assert character in alphabet
