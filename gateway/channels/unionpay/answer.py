"""Opening a synchronous answer: from bytes to signed fields, or to `Unknown`.

Law: total and suspicious. Whatever the bytes are, the result is an `Answer` that UnionPay signed
for this merchant, or `Unknown` with a reason; nothing raises and nothing unsigned gets through.
The certificate in the message is trusted at the moment the answer was received (`received_at`);
an answer without that moment proves nothing. The code of an unsigned answer is passed on inside
`Unknown` for people to read.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from gateway.channels.codec import AccountView, Unknown
from gateway.channels.crypto import KeyUnusable
from gateway.channels.unionpay.certificate import (
    SIGNER_NAME,
    CertificateRefused,
    check_certificate,
)
from gateway.channels.unionpay.signature import TextMalformed, parse_answer, verify
from gateway.channels.wire import HttpResponse

CERTIFICATE = "signPubKeyCert"
MISSING = "the answer lacks a fact: "

_CODE = re.compile(r"[0-9A-Z]{2}")


class Answer(Struct, frozen=True):
    """A verified answer: its `respCode` and all its fields."""

    code: str
    fields: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """A field's text; None if it is absent or empty."""
        return self.fields.get(name) or None


def open_answer(
    account: AccountView, response: HttpResponse, *, about: Mapping[str, str]
) -> Answer | Unknown:
    """Verify and read an answer.

    `about` are fields of our request (such as `orderId`) that the answer must repeat: the
    signature does not cover which request it answers. An answer that names another value, or an
    answer of success that leaves one out, is `Unknown`.
    """
    if response.status != 200:
        return Unknown(reason=f"the channel answered HTTP {response.status}")
    if response.received_at is None:
        return Unknown(reason="the answer has no time of receipt")
    try:
        fields = parse_answer(response.body)
    except TextMalformed:
        return Unknown(reason="the answer is not readable")
    return answer_of(account, fields, at=response.received_at, about=about)


def answer_of(
    account: AccountView, fields: Mapping[str, str], *, at: datetime, about: Mapping[str, str]
) -> Answer | Unknown:
    """The same for fields that were read already; `at` is when they came."""
    code = fields.get("respCode", "")
    code = code if _CODE.fullmatch(code) else ""
    reason = distrust(account, fields, at=at)
    if reason is None and fields.get("merId") != account.credentials["mer_id"]:
        reason = "the answer is for another merchant"
    if reason is None and not code:
        reason = "the answer has no usable code"
    for name, value in about.items():
        if reason is None and fields.get(name, value) != value:
            reason = "the answer is about another order"
        if reason is None and code == "00" and name not in fields:
            reason = MISSING + name
    if reason is not None:
        return Unknown(reason=reason, channel_code=code or None)
    return Answer(code=code, fields=fields)


def distrust(account: AccountView, fields: Mapping[str, str], *, at: datetime) -> str | None:
    """Why a message is not UnionPay's at the moment `at`; None where it is."""
    certificate = fields.get(CERTIFICATE)
    if not certificate or not fields.get("signature"):
        return "the answer is unsigned"
    credentials = account.credentials
    try:
        check_certificate(
            certificate,
            root=credentials["root_certificate"],
            middles=credentials["middle_certificate"],
            signer=credentials.get("signer_name") or SIGNER_NAME,
            at=at,
        )
        genuine = verify(fields, certificate.strip())
    except CertificateRefused as error:
        return f"the answer's certificate is not believed: {error}"
    except KeyUnusable:
        return "the answer's certificate has no usable key"
    return None if genuine else "the answer is wrongly signed"
