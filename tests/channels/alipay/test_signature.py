"""The published vectors of Alipay, and what must not verify next to each of them."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.alipay import AlipayCodec, signature
from gateway.channels.alipay.signature import (
    SignedNode,
    TextMalformed,
    extract_node,
    form_texts,
    notification_canonical,
    parse_form,
    request_canonical,
    sign_request,
    texts_of,
    verify_node,
    verify_notification,
)
from gateway.channels.codec import CallbackRefused, HandedOut, Unknown
from gateway.channels.crypto import rsa_sha256_verify
from gateway.channels.wire import HttpResponse
from tests.channels.alipay.conftest import NOW, ORDER_NO

pytestmark = pytest.mark.fast

HEX = b"0123456789abcdefABCDEF"


def form_of(params: dict[str, str]) -> bytes:
    return urlencode(params).encode()


def bit_flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            yield at, bytes(flipped)


def without(params: dict[str, str], *names: str) -> dict[str, str]:
    return {key: value for key, value in params.items() if key not in names}


# --- requests -----------------------------------------------------------------------------------


def test_request_vector(vectors: dict) -> None:
    vector = vectors["alipay_request_sign"]
    canonical = request_canonical(vector["params"])
    assert canonical.decode() == vector["canonical"]
    assert rsa_sha256_verify(vector["public_key"], canonical, vector["sign"])


def test_request_vector_with_another_parameter_is_another_text(vectors: dict) -> None:
    vector = vectors["alipay_request_sign"]
    params = vector["params"]
    shuffled = dict(reversed(params.items()))
    canonical = request_canonical(params)
    assert request_canonical(shuffled) == canonical
    assert request_canonical({**params, "sign": "x", "empty": ""}) == canonical
    changed = [without(params, name) for name in params]
    changed += [{**params, "added": "1"}, {**params, "version": "1.1"}]
    for other in changed:
        text = request_canonical(other)
        assert not rsa_sha256_verify(vector["public_key"], text, vector["sign"])


def test_a_request_is_signed_over_its_canonical_text(alipay) -> None:
    account = alipay.account()
    params = {"b": "二", "a": "1&2=3", "sign_type": "RSA2", "none": ""}
    sign = sign_request(params, account.credentials["merchant_private_key"])
    assert rsa_sha256_verify(
        alipay.merchant_public_key, "a=1&2=3&b=二&sign_type=RSA2".encode(), sign
    )


# --- synchronous answers ------------------------------------------------------------------------


def test_answer_vector(vectors: dict) -> None:
    vector = vectors["alipay_sync_response_pubkey_mode"]
    node = extract_node(vector["raw_response"].encode(), ("alipay_open_file_upload_response",))
    assert node.text.decode() == vector["signed_substring"]
    assert node.sign == vector["sign"]
    assert verify_node(node, vector["public_key"])


def test_answer_vector_with_any_bit_flipped_is_refused(vectors: dict) -> None:
    vector = vectors["alipay_sync_response_pubkey_mode"]
    name = "alipay_open_file_upload_response"
    for _, body in bit_flips(vector["raw_response"].encode()):
        try:
            node = extract_node(body, (name,))
        except TextMalformed:
            continue
        assert not verify_node(node, vector["public_key"])


def test_answer_signed_with_sha1_or_not_at_all_is_refused(alipay) -> None:
    text = '{"code":"10000"}'
    sha1 = alipay.sign(text.encode(), hashes.SHA1())
    for tail in (f',"sign":"{sha1}"', ',"sign":""', ',"sign":null', ',"sign":["x"]', ""):
        node = extract_node(f'{{"x_response":{text}{tail}}}'.encode(), ("x_response",))
        assert not verify_node(node, alipay.alipay_public_key)


@pytest.mark.parametrize(
    "text",
    [
        r'{"url":"https:\/\/qr.alipay.com\/bax"}',
        r'{"a":1,"sign":"inner","b":{"sign":"deeper"}}',
        r'{"text":"},\"sign\":\"x\"{[","b":"\\"}',
        r'{"list":[{"a":"]"},{"b":"}"}],"n":-1.5e3,"t":true,"z":null}',
        r'{ "spaced" : { } , "e":"" }',
        '{"中文":"语雀空间"}',
        "{}",
    ],
)
@pytest.mark.parametrize(
    "frame",
    [
        '{"x_response":%s,"sign":"S"}',
        '{"sign":"S","x_response":%s}',
        '{"alipay_cert_sn":"0f0f","x_response":%s,"sign":"S"}',
        '{"x_response":%s,"alipay_cert_sn":"0f0f","sign":"S"}',
        ' {\n"x_response" : %s ,\r\n"sign":\t"S" , "more":[1,{"sign":"no"}]} \n',
    ],
)
def test_the_signed_text_is_found_as_it_stands(text: str, frame: str) -> None:
    node = extract_node((frame % text).encode(), ("x_response", "error_response"))
    assert node.text.decode() == text
    assert node.sign == "S"
    assert node.cert_sn == ("0f0f" if "alipay_cert_sn" in frame else None)
    json.loads(node.text)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"sign":"S"}',
        '{"x_response":"text","sign":"S"}',
        '{"x_response":{},"sign":"S"} {}',
        '{"x_response":{},"x_response":{},"sign":"S"}',
        '{"x_response":{},"sign":"S","sign":"T"}',
        '{"x_response":{},"\\u0078_response":{},"sign":"S"}',
        '{"x_response":{},"error_response":{},"sign":"S"}',
        '{"x_response":{,"sign":"S"}',
        '{"x_response":{]},"sign":"S"}',
        '{"x_response":{"a":"b},"sign":"S"}',
        '{"x_response":{}, "sign"}',
        '{"x_response":{}, "sign":}',
        '{"x_response":{},}',
        '{"x_response":{}',
        "{x_response:{}}",
        '{"x_response":' + "[" * 40 + "]" * 40 + "}",
        '{"x_response":{"a":' + "[" * 40 + "]" * 40 + "}}",
        '{"x_response":{},"pad":"' + "x" * signature.ANSWER_BYTES_MAX + '"}',
        '{"x_response":{},"\\ud800":1}',
        '{"' + '\\"' * 100_000,
    ],
)
def test_an_ambiguous_or_broken_answer_is_refused(body: str) -> None:
    with pytest.raises(TextMalformed):
        extract_node(body.encode(), ("x_response", "error_response"))


@given(st.binary(max_size=200) | st.text('{}[]",:\\ax1 ', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    try:
        extract_node(body, ("x", "a"))
    except TextMalformed:
        pass


# --- notifications ------------------------------------------------------------------------------


def test_notification_v1_vector(vectors: dict) -> None:
    vector = vectors["alipay_notify_v1_drop_sign_type"]
    form = parse_form(form_of(vector["params"]))
    canonical = notification_canonical(form, keep_sign_type=False)
    assert canonical.decode() == vector["canonical"]
    assert verify_notification(form, vector["public_key"])
    assert form_texts(form) == vector["params"]
    assert not verify_notification(form, vector["public_key"], keep_sign_type=True)


def test_notification_v2_vector_needs_to_be_asked_for(vectors: dict) -> None:
    vector = vectors["alipay_notify_v2_keep_sign_type"]
    form = parse_form(form_of(vector["params"]))
    canonical = notification_canonical(form, keep_sign_type=True)
    assert canonical.decode() == vector["canonical"]
    assert verify_notification(form, vector["public_key"], keep_sign_type=True)
    assert not verify_notification(form, vector["public_key"])


def test_notification_vector_with_any_bit_flipped_is_refused(vectors: dict) -> None:
    """The one harmless flip turns a hex digit of an escape into its other letter case."""
    vector = vectors["alipay_notify_v1_drop_sign_type"]
    body = form_of(vector["params"])
    original = parse_form(body)
    accepted = 0
    for at, flipped in bit_flips(body):
        try:
            form = parse_form(flipped)
        except TextMalformed:
            continue
        if verify_notification(form, vector["public_key"]):
            assert form.pairs() == original.pairs()
            assert body[at] in HEX and flipped[at : at + 1].lower() == body[at : at + 1].lower()
            accepted += 1
    assert accepted > 0  # the loop did reach verification


def test_notification_vector_with_other_parameters_is_refused(vectors: dict) -> None:
    vector = vectors["alipay_notify_v1_drop_sign_type"]
    params, key = vector["params"], vector["public_key"]

    def verifies(changed: dict[str, str]) -> bool:
        return verify_notification(parse_form(form_of(changed)), key)

    assert verifies(dict(reversed(params.items())))
    assert verifies(without(params, "sign_type"))
    for name in without(params, "sign_type"):
        assert not verifies(without(params, name)), name
    assert not verifies({**params, "added": "1"})
    assert not verifies({**params, "sign_type": "RSA"})
    assert not verifies({**params, "total_amount": "0.11"})
    names = {"trade_no": "out_trade_no", "out_trade_no": "trade_no"}
    assert not verifies({names.get(key, key): value for key, value in params.items()})


def test_sha1_is_refused_whatever_sign_type_says(alipay) -> None:
    fields = alipay.notification()
    for sign_type in ("RSA", "RSA2"):
        sign = alipay.sign(alipay.canonical(fields).encode(), hashes.SHA1())
        body = form_of({**fields, "sign_type": sign_type, "sign": sign})
        assert not verify_notification(parse_form(body), alipay.alipay_public_key)


def test_values_with_percent_and_plus_are_decoded_once(alipay) -> None:
    """Decoding twice would turn `%25` into `%` and `+` into a space, and break the signature."""
    fields = alipay.notification(subject="100%25 + 2%2B2 %zz a+b=c&d;e")
    for body in (alipay.body(fields), alipay.body(fields).replace(b"+", b"%20")):
        form = parse_form(body)
        assert verify_notification(form, alipay.alipay_public_key)
        assert form_texts(form)["subject"] == fields["subject"]


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "gbk", "GBK", "gb2312", "GB18030"])
def test_each_charset_is_read_as_declared(alipay, charset: str) -> None:
    fields = alipay.notification(charset, subject="语雀空间 500人规模")
    form = parse_form(alipay.body(fields))
    assert verify_notification(form, alipay.alipay_public_key)
    assert form_texts(form)["subject"] == fields["subject"]


def test_an_unknown_charset_or_wrong_bytes_are_malformed() -> None:
    for body in (b"charset=latin-1&a=b", b"charset=utf-8&a=%ff", b"%ff=a", b"charset=%ff&a=b"):
        for ask in (form_texts, lambda form: texts_of(form, ("b",))):
            with pytest.raises(TextMalformed):
                ask(parse_form(body))
    assert form_texts(parse_form(b"charset=&a=%E4%B8%80")) == {"a": "一"}


def test_empty_values_may_be_signed_or_left_out(alipay) -> None:
    fields = alipay.notification(body="", passback_params="")
    dense = {key: value for key, value in fields.items() if value}
    for canonical in (alipay.canonical(fields), alipay.canonical(dense)):
        form = parse_form(alipay.body(fields, canonical=canonical))
        assert verify_notification(form, alipay.alipay_public_key)
        assert form_texts(form).keys().isdisjoint({"body", "passback_params"})
        assert texts_of(form, ("body", "app_id")) == (None, fields["app_id"])
    half = alipay.canonical(without(fields, "body"))
    form = parse_form(alipay.body(fields, canonical=half))
    assert not verify_notification(form, alipay.alipay_public_key)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"a",
        b"=b",
        b"a=b&",
        b"a=b&&c=d",
        b"a=b&a=b",
        b"a=b&%61=c",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%+1",
        b"&".join(b"k%d=v" % i for i in range(signature.FORM_PAIRS_MAX + 1)),
        b"a=" + b"b" * signature.FORM_BYTES_MAX,
    ],
)
def test_a_form_that_no_sender_writes_is_malformed(body: bytes) -> None:
    with pytest.raises(TextMalformed):
        parse_form(body)


def test_a_form_within_the_limits_is_read() -> None:
    pairs = {f"k{i}": "v" for i in range(signature.FORM_PAIRS_MAX)}
    assert len(parse_form(form_of(pairs)).pairs()) == signature.FORM_PAIRS_MAX
    assert parse_form(b"a=b=c&d=").pairs() == {b"a": b"b=c", b"d": b""}


@given(
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=12), min_size=1, max_size=6)
)
def test_any_form_survives_both_ways_of_encoding(params: dict[str, str]) -> None:
    expected = {key.encode(): value.encode() for key, value in params.items()}
    assert parse_form(urlencode(params).encode()).pairs() == expected
    assert parse_form(urlencode(params, quote_via=quote).encode()).pairs() == expected


def test_a_missing_or_odd_signature_is_refused(alipay) -> None:
    fields = alipay.notification()
    good = base64.b64decode(alipay.sign(alipay.canonical(fields).encode()))
    for sign in ("", "x", "é", base64.b64encode(good[:-1]).decode(), good.hex()):
        form = parse_form(form_of({**fields, "sign": sign}))
        assert not verify_notification(form, alipay.alipay_public_key)
    assert not verify_notification(parse_form(form_of(fields)), alipay.alipay_public_key)


# --- short messages, every bit ------------------------------------------------------------------


def test_every_bit_of_a_short_answer_counts(alipay) -> None:
    """Read by the codec: no flipped bit of body or signature leaves it definite."""
    node = '{"code":"10000","out_trade_no":"%s","qr_code":"q"}' % ORDER_NO  # noqa: UP031
    answer = alipay.raw_answer("alipay_trade_precreate_response", node)
    account, order = alipay.account(), alipay.order()
    assert isinstance(AlipayCodec().read_pay(account, order, answer), HandedOut)
    for _, body in bit_flips(answer.body):
        flipped = HttpResponse(status=200, headers={}, body=body)
        assert isinstance(AlipayCodec().read_pay(account, order, flipped), Unknown), body


def test_every_bit_of_a_short_notification_counts(alipay) -> None:
    """The one harmless flip turns a hex digit of an escape into its other letter case."""
    names = ("app_id", "seller_id", "notify_type", "out_trade_no", "trade_no", "trade_status")
    whole = alipay.notification()
    fields = {name: whole[name] for name in (*names, "total_amount")}
    good = alipay.body(fields)
    read = AlipayCodec().read_callback
    account = alipay.account()
    assert read(account, alipay.callback(good), NOW).outcome is not None
    for at, body in bit_flips(good):
        try:
            read(account, alipay.callback(body), NOW)
        except CallbackRefused:
            continue
        assert good[at] in HEX and body[at : at + 1].lower() == good[at : at + 1].lower()


def test_slashes_escaped_after_signing_are_believed_only_where_asked(alipay) -> None:
    text = b'{"code":"10000","url":"https:\\/\\/a.example\\/"}'
    key, plain = alipay.alipay_public_key, text.replace(b"\\/", b"/")
    node = SignedNode("n", text, alipay.sign(plain), None)
    assert not verify_node(node, key)
    assert verify_node(node, key, unescaped_slashes=True)
    as_sent = SignedNode("n", text, alipay.sign(text), None)
    assert verify_node(as_sent, key) and verify_node(as_sent, key, unescaped_slashes=True)
    other = SignedNode("n", text.replace(b"a.example", b"b.example"), alipay.sign(plain), None)
    assert not verify_node(other, key, unescaped_slashes=True)
    unsigned = SignedNode("n", plain, None, None)
    assert not verify_node(unsigned, key, unescaped_slashes=True)
