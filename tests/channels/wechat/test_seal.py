"""Sealed resources and names: the published vector, and everything that must not open."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from gateway.channels.wechat import seal
from gateway.channels.wechat.seal import SealBroken, open_resource, open_sealed, seal_text

from .conftest import APIV3_KEY, public_pem, resource_of

pytestmark = pytest.mark.fast


def test_the_vector_opens(vectors: dict) -> None:
    """Its key has 16 bytes, so the check for 32 is left out for it alone."""
    vector = vectors["wechat_notify_go"]
    resource = json.loads(vector["body"])["resource"]
    key = vector["apiv3_key"].encode()
    parts = {"key": key, "nonce": resource["nonce"], "associated": resource["associated_data"]}
    assert open_sealed(resource["ciphertext"], **parts) == vector["plaintext"].encode()
    with pytest.raises(SealBroken):
        open_resource(resource, vector["apiv3_key"])


def test_a_resource_opens_with_its_key_only() -> None:
    resource = resource_of("明文".encode())
    assert open_resource(resource, APIV3_KEY) == "明文".encode()
    with pytest.raises(SealBroken):
        open_resource(resource, APIV3_KEY[::-1])


def test_no_associated_data_is_empty_associated_data() -> None:
    resource = resource_of(b"{}", associated="")
    for absent in (resource, {k: v for k, v in resource.items() if k != "associated_data"}):
        assert open_resource(absent | {"associated_data": None}, APIV3_KEY) == b"{}"


def test_every_flipped_bit_is_refused() -> None:
    resource = resource_of(b'{"a":1}')
    raw = base64.b64decode(resource["ciphertext"])
    for at in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(SealBroken):
            open_resource(resource | {"ciphertext": base64.b64encode(flipped).decode()}, APIV3_KEY)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "AEAD_AES_128_GCM"},
        {"algorithm": None},
        {"ciphertext": None},
        {"ciphertext": "not base64"},
        {"ciphertext": ""},
        {"ciphertext": "AAAA"},
        {"nonce": "short"},
        {"nonce": "thirteen char"},
        {"nonce": 7},
        {"nonce": "\ud800" * 12},
        {"associated_data": "other"},
        {"associated_data": "a" * 65},
        {"associated_data": {}},
    ],
)
def test_a_spoiled_resource_is_refused(changes: dict) -> None:
    with pytest.raises(SealBroken):
        open_resource(resource_of(b"{}") | changes, APIV3_KEY)


@pytest.mark.parametrize("resource", [None, [], "text", 7, {}])
def test_what_is_no_resource_is_refused(resource: object) -> None:
    with pytest.raises(SealBroken):
        open_resource(resource, APIV3_KEY)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (APIV3_KEY, True),
        (APIV3_KEY[:-1], False),
        (APIV3_KEY + "x", False),
        (APIV3_KEY[:-1] + "é", False),
        (APIV3_KEY[:-1] + " ", False),
        (APIV3_KEY + "\n", False),
        ("", False),
    ],
)
def test_an_apiv3_key_has_32_ascii_characters(text: str, good: bool) -> None:
    assert seal.is_apiv3_key(text) is good


@pytest.mark.parametrize("text", ["", "张三", "x" * 214])
def test_wechat_can_open_what_we_seal(wechat, text: str) -> None:
    sealed = seal_text(
        text, public_key=public_pem(wechat.public_key), apiv3_key=APIV3_KEY, number="T1"
    )
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    assert wechat.public_key.decrypt(base64.b64decode(sealed), oaep).decode() == text


def test_a_seal_depends_on_everything_and_on_nothing_else(wechat) -> None:
    public = public_pem(wechat.public_key)
    base = {"public_key": public, "apiv3_key": APIV3_KEY, "number": "T1"}
    sealed = seal_text("张三", **base)
    assert sealed == seal_text("张三", **base)
    others = {
        seal_text("李四", **base),
        seal_text("张三", **{**base, "number": "T2"}),
        seal_text("张三", **{**base, "apiv3_key": APIV3_KEY[::-1]}),
    }
    assert len(others | {sealed}) == 4


def test_what_does_not_fit_is_refused(wechat) -> None:
    with pytest.raises(ValueError):
        seal_text(
            "x" * 215, public_key=public_pem(wechat.public_key), apiv3_key=APIV3_KEY, number="T1"
        )
