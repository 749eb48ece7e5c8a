"""UnionPay's side of the wire, with an authority and signing code of its own."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from gateway.channels.authorization import CaptureOrder
from gateway.channels.codec import AccountView, PayOrder, RefundOrder
from gateway.channels.wire import CallbackRequest, HttpRequest, HttpResponse

MER_ID = "777290000000001"
CERT_ID = "69903319369"
ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
CAPTURE_NO = "01kb8n1111f7wv9t2n4x6c0rca"
QUERY_ID = "202611222230051234567"
CREATED = datetime(2026, 11, 22, 14, 30, 0, 999_999, tzinfo=UTC)
EXPIRES = CREATED + timedelta(hours=2)
NOW = datetime(2026, 11, 22, 14, 31, 0, tzinfo=UTC)
NAME = "041@8310000000083040@中国银联股份有限公司@00016495"
NOT_GIVEN_BACK = "signature certId customerInfo backUrl channelType orderDesc payTimeout".split()
VECTORS = Path(__file__).parents[2] / "vectors" / "unionpay.json"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def certify(
    common_name: str,
    key: rsa.RSAPrivateKey,
    issuer: tuple[x509.Certificate, rsa.RSAPrivateKey] | None,
    *,
    ca: bool = False,
    signs: bool = True,
    certifies: bool | None = None,
    start: datetime = NOW - timedelta(days=30),
    end: datetime = NOW + timedelta(days=30),
) -> x509.Certificate:
    """A certificate; without issuer a self-made one."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    issues = ca if certifies is None else certifies
    usage = [signs, False, False, False, False, issues, issues, False, False]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*usage), critical=True)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


@dataclass(frozen=True)
class UnionPaySide:
    """Keys and certificates of both parties, and makers of what UnionPay sends."""

    root: x509.Certificate
    root_key: rsa.RSAPrivateKey
    middle: x509.Certificate
    middle_key: rsa.RSAPrivateKey
    signer: x509.Certificate
    signer_key: rsa.RSAPrivateKey
    merchant_key: rsa.RSAPrivateKey

    @property
    def signer_pem(self) -> str:
        return pem_of(self.signer).strip().replace("\n", "\r\n")

    def account(self, **credentials: str | None) -> AccountView:
        whole = {
            "mer_id": MER_ID,
            "root_certificate": pem_of(self.root),
            "middle_certificate": pem_of(self.middle),
            "merchant_private_key": private_pem(self.merchant_key),
            "cert_id": CERT_ID,
            **credentials,
        }
        return AccountView(
            account_id="cac_1",
            channel="unionpay",
            gateway_url="https://gateway.95516.com/gateway/api/",
            notify_url="https://pay.example.com/callbacks/unionpay/cac_1",
            credentials={name: value for name, value in whole.items() if value is not None},
        )

    def order(self, method: str = "unionpay_qr", **changes: Any) -> PayOrder:
        content: dict[str, Any] = {
            "attempt_no": ORDER_NO,
            "method": method,
            "amount": 1234,
            "currency": "CNY",
            "subject": "一杯咖啡 & 50% off",
            "created_at": CREATED,
            "expires_at": EXPIRES,
        }
        if method == "unionpay_quick":
            content["method_options"] = {"token": "6235240000012345678"}
        return PayOrder(**(content | changes))

    def refund(self, **changes: Any) -> RefundOrder:
        content: dict[str, Any] = {
            "attempt_no": ORDER_NO,
            "channel_order_no": QUERY_ID,
            "refund_no": REFUND_NO,
            "amount": 1000,
            "amount_total": 1234,
            "currency": "CNY",
        }
        return RefundOrder(**(content | changes))

    def capture(self, **changes: Any) -> CaptureOrder:
        content: dict[str, Any] = {
            "attempt_no": ORDER_NO,
            "channel_order_no": QUERY_ID,
            "capture_no": CAPTURE_NO,
            "method": "unionpay_preauth",
            "amount": 1000,
            "amount_authorized": 1234,
            "currency": "CNY",
            "subject": "一杯咖啡",
            "created_at": NOW,
        }
        return CaptureOrder(**(content | changes))

    def sign(
        self,
        fields: Mapping[str, str],
        *,
        key: rsa.RSAPrivateKey | None = None,
        certificate: str | None = None,
        algorithm: hashes.HashAlgorithm | None = None,
    ) -> dict[str, str]:
        """The fields with certificate and signature."""
        whole = {**fields, "signPubKeyCert": certificate or self.signer_pem}
        text = "&".join(f"{name}={whole[name]}" for name in sorted(whole))
        digest = hashlib.sha256(text.encode()).hexdigest().encode()
        raw = (key or self.signer_key).sign(
            digest, padding.PKCS1v15(), algorithm or hashes.SHA256()
        )
        return whole | {"signature": base64.b64encode(raw).decode()}

    def reply(self, request: HttpRequest, code: str = "00", **changes: str | None) -> HttpResponse:
        """A signed answer to a request: its fields given back, and what UnionPay adds."""
        asked = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        for name in NOT_GIVEN_BACK:
            asked.pop(name, None)
        fields = {**asked, "respCode": code, "respMsg": "成功[0000000]", **changes}
        return raw_answer(self.sign({k: v for k, v in fields.items() if v is not None}))

    def state(self, request: HttpRequest, state: str = "00", **changes: str | None) -> HttpResponse:
        """A signed answer to a query that found the trade."""
        facts = {
            "txnType": "01",
            "origRespCode": state,
            "queryId": QUERY_ID,
            "txnAmt": "1234",
            "currencyCode": "156",
            "traceTime": "1122223005",
        }
        return self.reply(request, **{**facts, **changes})

    def notification(self, **changes: str | None) -> dict[str, str]:
        """The fields of a genuine payment notification, unsigned; None takes one away."""
        fields = {
            "accessType": "0",
            "bizType": "000201",
            "currencyCode": "156",
            "encoding": "UTF-8",
            "merId": MER_ID,
            "orderId": ORDER_NO,
            "queryId": QUERY_ID,
            "respCode": "00",
            "respMsg": "成功[0000000]",
            "settleAmt": "1234",
            "settleDate": "1122",
            "signMethod": "01",
            "traceTime": "1122223005",
            "txnAmt": "1234",
            "txnSubType": "01",
            "txnTime": "20261122223000",
            "txnType": "01",
            "version": "5.1.0",
            **changes,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def callback(self, fields: Mapping[str, str], **signing: Any) -> CallbackRequest:
        return callback_of(urlencode(self.sign(fields, **signing)).encode())


def callback_of(body: bytes, *, method: str = "POST", query: str = "") -> CallbackRequest:
    return CallbackRequest(
        method=method,
        target="/callbacks/unionpay/cac_1" + query,
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=body,
    )


def raw_answer(fields: Mapping[str, str], *, at: datetime | None = NOW) -> HttpResponse:
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    return HttpResponse(status=200, headers={}, body=text.encode(), received_at=at)


def fields_of(request: HttpRequest) -> dict[str, str]:
    """What a request carries, its signature checked by nobody here."""
    return dict(parse_qsl(request.body.decode(), strict_parsing=True, keep_blank_values=True))


@pytest.fixture(scope="session")
def unionpay() -> UnionPaySide:
    root_key, middle_key, signer_key, merchant_key = (new_key() for _ in range(4))
    root = certify("root", root_key, None, ca=True)
    middle = certify("middle", middle_key, (root, root_key), ca=True)
    signer = certify(NAME, signer_key, (middle, middle_key))
    return UnionPaySide(root, root_key, middle, middle_key, signer, signer_key, merchant_key)


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(VECTORS.read_text("utf-8"))
    return found
