"""Alipay's side of the wire, with signing code of its own (nothing of the codec is used)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import NameOID

from gateway.channels.codec import AccountView, PayOrder, RefundOrder
from gateway.channels.wire import CallbackRequest, HttpResponse

APP_ID = "2021000000000001"
SELLER_ID = "2088000000000001"
ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
TRADE_NO = "2026112222001400000000000001"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
VECTORS = Path(__file__).parents[2] / "vectors" / "alipay.json"


@dataclass(frozen=True)
class AlipaySide:
    """Keys of both parties and makers of what Alipay sends."""

    alipay_key: rsa.RSAPrivateKey
    merchant_key: rsa.RSAPrivateKey

    @property
    def alipay_public_key(self) -> str:
        return public_text(self.alipay_key)

    @property
    def merchant_public_key(self) -> str:
        return public_text(self.merchant_key)

    def account(self, **credentials: str) -> AccountView:
        private = self.merchant_key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return AccountView(
            account_id="cac_1",
            channel="alipay",
            gateway_url="https://openapi.alipay.com/gateway.do",
            notify_url="https://pay.example.com/callbacks/alipay/cac_1",
            credentials={
                "app_id": APP_ID,
                "seller_id": SELLER_ID,
                "merchant_private_key": base64.b64encode(private).decode(),
                "alipay_public_key": self.alipay_public_key,
                **credentials,
            },
        )

    def order(self, **changes: object) -> PayOrder:
        content: dict = {
            "attempt_no": ORDER_NO,
            "method": "alipay_qr",
            "amount": 1234,
            "currency": "CNY",
            "subject": "一杯咖啡 & 50% off",
            "created_at": datetime(2026, 11, 22, 14, 30, 0, tzinfo=UTC),
            "expires_at": datetime(2026, 11, 22, 16, 30, 0, 999_999, tzinfo=UTC),
        }
        return PayOrder(**(content | changes))

    def refund(self, **changes: object) -> RefundOrder:
        content: dict = {
            "attempt_no": ORDER_NO,
            "channel_order_no": TRADE_NO,
            "refund_no": REFUND_NO,
            "amount": 1000,
            "amount_total": 1234,
            "currency": "CNY",
            "reason": "坏了",
        }
        return RefundOrder(**(content | changes))

    def sign(self, message: bytes, algorithm: hashes.HashAlgorithm | None = None) -> str:
        raw = self.alipay_key.sign(message, padding.PKCS1v15(), algorithm or hashes.SHA256())
        return base64.b64encode(raw).decode()

    def answer(
        self, interface: str, node: Mapping[str, object], *, status: int = 200
    ) -> HttpResponse:
        """A signed answer, slashes escaped as Alipay escapes them."""
        text = json.dumps(node, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
        return self.raw_answer(f"{interface.replace('.', '_')}_response", text, status=status)

    def raw_answer(self, name: str, text: str, *, status: int = 200) -> HttpResponse:
        sign = self.sign(text.encode())
        body = f'{{"{name}":{text},"sign":"{sign}"}}'
        return HttpResponse(status=status, headers={}, body=body.encode())

    def notification(self, charset: str = "utf-8", **changes: str | None) -> dict[str, str]:
        """The fields of a genuine payment notification, unsigned; None takes one away."""
        fields = {
            "app_id": APP_ID,
            "auth_app_id": APP_ID,
            "buyer_id": "2088102534368455",
            "buyer_pay_amount": "12.00",
            "charset": charset,
            "fund_bill_list": '[{"amount":"12.00","fundChannel":"ALIPAYACCOUNT"}]',
            "gmt_create": "2026-11-22 20:00:00",
            "gmt_payment": "2026-11-22 20:00:05",
            "notify_id": "2026112200222200005068450559358070",
            "notify_time": "2026-11-22 20:00:06",
            "notify_type": "trade_status_sync",
            "out_trade_no": ORDER_NO,
            "receipt_amount": "12.34",
            "seller_id": SELLER_ID,
            "subject": "一杯咖啡 100%25+糖",
            "total_amount": "12.34",
            "trade_no": TRADE_NO,
            "trade_status": "TRADE_SUCCESS",
            "version": "1.0",
            **changes,
        }
        return {key: value for key, value in fields.items() if value is not None}

    def canonical(self, fields: Mapping[str, str]) -> str:
        kept = sorted(set(fields) - {"sign", "sign_type"})
        return "&".join(f"{key}={fields[key]}" for key in kept)

    def body(self, fields: Mapping[str, str], *, canonical: str | None = None) -> bytes:
        """The signed form of `fields` in their own charset."""
        charset = fields.get("charset", "utf-8")
        text = self.canonical(fields) if canonical is None else canonical
        signed = {**fields, "sign_type": "RSA2", "sign": self.sign(text.encode(charset))}
        return urlencode({k: v.encode(charset) for k, v in signed.items()}).encode()

    def callback(self, body: bytes, method: str = "POST") -> CallbackRequest:
        return CallbackRequest(
            method=method,
            target="/callbacks/alipay/cac_1",
            headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
            body=body,
        )

    def quoted(self, fields: Mapping[str, str]) -> bytes:
        """The same form with `%20` for spaces."""
        return urlencode(fields, quote_via=quote).encode()


def public_text(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


NOW = datetime(2026, 11, 22, 16, 0, 1, tzinfo=UTC)


@dataclass
class Party:
    """A key and its certificate; it may issue others."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self,
        key: rsa.RSAPrivateKey,
        organization: str,
        *,
        serial: int = 5,
        is_authority: bool = False,
        starts: datetime = NOW - timedelta(days=1),
        ends: datetime = NOW + timedelta(days=365),
    ) -> "Party":
        return Party(
            key,
            certify(
                key,
                organization,
                serial=serial,
                is_authority=is_authority,
                dates=(starts, ends),
                by=(self.key, self.certificate.subject),
            ),
        )


def certify(key, organization: str, *, serial: int, is_authority: bool, dates, by=None):
    parts = (
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification"),
        (NameOID.COMMON_NAME, f"{organization} {serial}"),
    )
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    signer, issuer = by or (key, subject)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), serial, *dates)
    limits = x509.BasicConstraints(ca=is_authority, path_length=None)
    return builder.add_extension(limits, critical=True).sign(signer, hashes.SHA256())


class Authorities:
    """Ant's chain as in reality: a root, a class below it, and what that certifies."""

    def __init__(self, alipay: AlipaySide) -> None:
        fresh = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]
        dates = (NOW - timedelta(days=999), NOW + timedelta(days=999))
        self.root = Party(
            fresh[0], certify(fresh[0], "Ant", serial=1, is_authority=True, dates=dates)
        )
        self.middle = self.root.issue(fresh[1], "Ant", serial=2, is_authority=True)
        self.alipay = self.middle.issue(alipay.alipay_key, "Alipay")
        self.app = self.middle.issue(alipay.merchant_key, "A merchant", serial=6)
        self.new_key = fresh[2]
        self.side = alipay

    def account(self, keys: Mapping[str, str] | None = None, **credentials: str) -> AccountView:
        own = self.side.account()
        common = {k: v for k, v in own.credentials.items() if k != "alipay_public_key"}
        return AccountView(
            account_id=own.account_id,
            channel=own.channel,
            gateway_url=own.gateway_url,
            notify_url=own.notify_url,
            credentials={
                **common,
                "app_cert": self.app.pem,
                "alipay_cert": self.alipay.pem + self.middle.pem,
                "alipay_root_cert": self.root.pem,
                **credentials,
            },
            keys=keys or {},
        )


@pytest.fixture(scope="session")
def authorities(alipay: AlipaySide) -> Authorities:
    return Authorities(alipay)


@pytest.fixture(scope="session")
def alipay() -> AlipaySide:
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    return AlipaySide(alipay_key=keys[0], merchant_key=keys[1])


@pytest.fixture(scope="session")
def vectors() -> dict:
    return json.loads(VECTORS.read_text("utf-8"))
