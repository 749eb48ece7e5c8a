"""Alipay's certificates learnt while running (`alipay.open.app.alipaycert.download`).

Law: as `gateway.channels.key_ring`. The answer's own signature proves nothing here, since it may be
made by the very certificate that we ask for; what proves a certificate is its chain (see `chain`).
The number that it is kept under is computed from it, never taken from the answer.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from gateway.channels.alipay.certificate import CertificateUnusable, cert_sn
from gateway.channels.alipay.chain import is_alipays
from gateway.channels.alipay.codes import OK
from gateway.channels.alipay.credentials import in_certificate_mode
from gateway.channels.alipay.request import call
from gateway.channels.alipay.signature import TextMalformed, extract_node
from gateway.channels.codec import AccountView
from gateway.channels.crypto import KeyUnusable, decode_base64, rsa_public_key
from gateway.channels.wire import HttpRequest, HttpResponse

DOWNLOAD = "alipay.open.app.alipaycert.download"
CONTENT_CHARS_MAX = 65_536

_SERIAL = re.compile(r"[0-9a-f]{32}")


class _Downloaded(msgspec.Struct):
    code: str = ""
    alipay_cert_content: str = ""


class KeyFetch:
    """See `gateway.channels.key_ring.KeyFetching`."""

    def build_keys(
        self, account: AccountView, serial: str | None, now: datetime
    ) -> HttpRequest | None:
        """Ask for the certificate of `serial`; Alipay has no list of all of them."""
        if not in_certificate_mode(account) or not _SERIAL.fullmatch(serial or ""):
            return None
        return call(account, DOWNLOAD, {"alipay_cert_sn": serial}, now)

    def read_keys(
        self, account: AccountView, response: HttpResponse, now: datetime
    ) -> Mapping[str, str]:
        """The certificate, if it is proven to be Alipay's; else nothing."""
        if response.status != 200 or not in_certificate_mode(account):
            return {}
        name = DOWNLOAD.replace(".", "_") + "_response"
        try:
            node = extract_node(response.body, (name,))
            fields = msgspec.json.decode(node.text, type=_Downloaded)
        except (TextMalformed, msgspec.MsgspecError, ValueError, RecursionError):
            return {}
        content = decode_base64(fields.alipay_cert_content, chars_max=CONTENT_CHARS_MAX)
        if fields.code != OK or not content:
            return {}
        text = content.decode("ascii", "replace").strip()
        own, roots = account.credentials["alipay_cert"], account.credentials["alipay_root_cert"]
        try:
            rsa_public_key(text)
            serial = cert_sn(text)
        except (KeyUnusable, CertificateUnusable):
            return {}
        return {serial: text} if is_alipays(text, own=own, roots=roots, now=now) else {}
