"""The texts that are signed, against published vectors of Alipay's own SDKs."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.sandbox import keys
from gateway.sandbox.alipay import wire
from gateway.sandbox.alipay.refusals import Refusal

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "alipay.json").read_text("utf-8")
)


def is_right(vector: dict[str, Any], text: bytes, sign: str) -> bool:
    key = keys.load_public(vector["public_key"])
    return keys.verified(key, message=text, signature=sign)


def test_request_text_is_what_an_official_client_signs() -> None:
    vector = VECTORS["alipay_request_sign"]
    text = wire.request_text(vector["params"] | {"sign": "x", "empty": ""})
    assert text.decode() == vector["canonical"]
    assert is_right(vector, text, vector["sign"])


def test_notification_text_is_what_alipay_signs() -> None:
    vector = VECTORS["alipay_notify_v1_drop_sign_type"]
    text = wire.notification_text(vector["params"])
    assert text.decode() == vector["canonical"]
    assert is_right(vector, text, vector["params"]["sign"])


def test_a_notification_text_that_keeps_sign_type_is_another_one() -> None:
    vector = VECTORS["alipay_notify_v2_keep_sign_type"]
    text = wire.notification_text(vector["params"])
    assert not is_right(vector, text, vector["params"]["sign"])


def test_the_envelope_carries_the_signed_node_unchanged() -> None:
    vector = VECTORS["alipay_sync_response_pubkey_mode"]
    node = json.loads(vector["signed_substring"])
    text = wire.node_text(node)
    raw = wire.envelope("alipay_open_file_upload_response", text, vector["sign"])
    assert raw.decode() == vector["raw_response"]
    assert is_right(vector, text.encode(), vector["sign"])


def test_slashes_are_escaped_as_alipay_does() -> None:
    assert wire.node_text({"u": "https://a/b", "s": "书"}) == '{"u":"https:\\/\\/a\\/b","s":"书"}'


def test_a_form_survives_its_trip() -> None:
    sent = {"a": "1 +%&=书", "b": "", "c": '{"x":"/"}'}
    assert wire.merged_parameters("", wire.form(sent)) == sent
    assert wire.merged_parameters(urlencode(sent), b"") == sent


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("a=1&a=1", b""),
        ("a=1", b"a=2"),
        ("a", b""),
        ("", b"a=%ff"),
        ("é=1", b""),
        ("&".join(f"p{n}=1" for n in range(65)), b""),
    ],
)
def test_an_ill_formed_form_is_refused(query: str, body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        wire.merged_parameters(query, body)
    assert refused.value.sub_code == "isv.invalid-parameter"


def test_node_names() -> None:
    assert wire.node_name("alipay.trade.fastpay.refund.query") == (
        "alipay_trade_fastpay_refund_query_response"
    )
