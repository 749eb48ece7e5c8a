"""WeChat's side of the wire, with signing code of its own (nothing of the codec is used)."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from gateway.channels.codec import AccountView, PayOrder, RefundOrder
from gateway.channels.transfer import TransferOrder
from gateway.channels.wire import CallbackRequest, HttpResponse

MCHID = "1900000109"
APPID = "wx0123456789abcdef"
APIV3_KEY = "0123456789abcdefghijklmnopqrstuv"
MERCHANT_SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000001092026112200000000000001"
ORDER_NO = "01kb8mz3q8f7wv9t2n4x6c0r5a"
TRANSACTION_ID = "4200001234202611221234567890"
REFUND_NO = "01kb8n0000f7wv9t2n4x6c0rfd"
TRANSFER_NO = "01kb8n0000f7wv9t2n4x6c0trf"
NOW = datetime(2026, 11, 22, 14, 30, 5, 123_456, tzinfo=UTC)
VECTORS = Path(__file__).parents[2] / "vectors" / "wechat.json"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def certificate_of(
    key: rsa.RSAPrivateKey,
    serial: int,
    *,
    begins: datetime = NOW - timedelta(days=10),
    ends: datetime = NOW + timedelta(days=10),
) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def resource_of(plain: bytes, *, key: str = APIV3_KEY, associated: str = "transaction") -> dict:
    nonce = "fdasflkja484"
    raw = AESGCM(key.encode()).encrypt(nonce.encode(), plain, associated.encode())
    return {
        "original_type": associated,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(raw).decode(),
        "associated_data": associated,
        "nonce": nonce,
    }


@dataclass(frozen=True)
class WechatSide:
    """Keys of both parties and makers of what WeChat sends."""

    platform_key: rsa.RSAPrivateKey
    public_key: rsa.RSAPrivateKey
    merchant_key: rsa.RSAPrivateKey
    platform_serial: str = "7132D72A03E93CDDF8C03BBD1F37EEDF"
    certificate: str = field(default="")

    def account(
        self, *, keys: Mapping[str, str] | None = None, gateway_url: str = "", **credentials: str
    ) -> AccountView:
        """In public key mode; a credential "" is left out, `keys` are learnt certificates."""
        content = {
            "mchid": MCHID,
            "appid": APPID,
            "merchant_serial": MERCHANT_SERIAL,
            "apiv3_key": APIV3_KEY,
            "merchant_private_key": private_pem(self.merchant_key),
            "wechat_public_key": public_pem(self.public_key),
            "wechat_public_key_id": PUBLIC_KEY_ID,
            "transfer_scene_id": "1000",
            **credentials,
        }
        return AccountView(
            account_id="cac_1",
            channel="wechat",
            gateway_url=gateway_url or "https://api.mch.weixin.qq.com",
            notify_url="https://pay.example.com/callbacks/wechat/cac_1",
            credentials={name: value for name, value in content.items() if value},
            keys=keys or {},
        )

    def certificate_account(self, **credentials: str) -> AccountView:
        """In certificate mode, with the platform certificate learnt."""
        return self.account(
            keys={self.platform_serial: self.certificate},
            wechat_public_key="",
            wechat_public_key_id="",
            **credentials,
        )

    def order(self, **changes: object) -> PayOrder:
        content: dict = {
            "attempt_no": ORDER_NO,
            "method": "wechat_native",
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
            "channel_order_no": TRANSACTION_ID,
            "refund_no": REFUND_NO,
            "amount": 1000,
            "amount_total": 1234,
            "currency": "CNY",
            "reason": "坏了",
        }
        return RefundOrder(**(content | changes))

    def transfer(self, **changes: object) -> TransferOrder:
        content: dict = {
            "transfer_no": TRANSFER_NO,
            "method": "wechat_transfer",
            "amount": 5000,
            "currency": "CNY",
            "purpose": "货款",
            "payee": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        }
        return TransferOrder(**(content | changes))

    def sign(
        self,
        message: bytes,
        *,
        key: rsa.RSAPrivateKey | None = None,
        algorithm: hashes.HashAlgorithm | None = None,
    ) -> str:
        raw = (key or self.public_key).sign(
            message, padding.PKCS1v15(), algorithm or hashes.SHA256()
        )
        return base64.b64encode(raw).decode()

    def headers(
        self, body: bytes, *, serial: str = PUBLIC_KEY_ID, at: datetime = NOW
    ) -> dict[str, str]:
        """Signed headers, names in lower case; the key follows from the serial."""
        key = self.public_key if serial == PUBLIC_KEY_ID else self.platform_key
        timestamp, nonce = str(int(at.timestamp())), "593BEC0C930BF1AFEB40B4A08C8FB242"
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        return {
            "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": nonce,
            "wechatpay-serial": serial,
            "wechatpay-signature": self.sign(message, key=key),
            "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        }

    def answer(
        self,
        content: Mapping[str, object] | None,
        *,
        status: int = 200,
        serial: str = PUBLIC_KEY_ID,
        at: datetime = NOW,
        received_at: datetime | None = NOW,
    ) -> HttpResponse:
        """A signed answer; `content` None is an empty body."""
        body = b"" if content is None else json.dumps(content, ensure_ascii=False).encode()
        headers = self.headers(body, serial=serial, at=at)
        return HttpResponse(status=status, headers=headers, body=body, received_at=received_at)

    def refusal(self, status: int, code: str, **more: object) -> HttpResponse:
        return self.answer({"code": code, "message": "不行", **more}, status=status)

    def notification(
        self,
        event: str,
        plain: Mapping[str, object],
        *,
        key: str = APIV3_KEY,
        serial: str = PUBLIC_KEY_ID,
        at: datetime = NOW,
        **changes: object,
    ) -> CallbackRequest:
        """A signed and sealed notification."""
        envelope = {
            "id": "EV-2018022511223320873",
            "create_time": "2026-11-22T22:30:04+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": resource_of(json.dumps(plain, ensure_ascii=False).encode(), key=key),
            **changes,
        }
        body = json.dumps(envelope, ensure_ascii=False).encode()
        return CallbackRequest(
            method="POST",
            target="/callbacks/wechat/cac_1",
            headers=self.headers(body, serial=serial, at=at),
            body=body,
        )


def trade(**changes: object) -> dict:
    """A paid order as queries and notifications tell it; None takes a member away."""
    fields = {
        "appid": APPID,
        "mchid": MCHID,
        "out_trade_no": ORDER_NO,
        "transaction_id": TRANSACTION_ID,
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "success_time": "2026-11-22T22:30:03+08:00",
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "amount": {"total": 1234, "payer_total": 1200, "currency": "CNY", "payer_currency": "CNY"},
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


@pytest.fixture(scope="session")
def wechat() -> WechatSide:
    platform_key = new_key()
    side = WechatSide(platform_key, new_key(), new_key())
    certificate = certificate_of(platform_key, int(side.platform_serial, 16))
    return WechatSide(
        side.platform_key, side.public_key, side.merchant_key, certificate=certificate
    )


@pytest.fixture(scope="session")
def vectors() -> dict:
    return json.loads(VECTORS.read_text(encoding="utf-8"))
