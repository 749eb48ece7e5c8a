"""The gateway's checks at the pretend Alipay: who sent a request, and whether it is well-formed.

Law: nothing is looked at before the signature stands. A request whose sender is not proved (unknown
app, wrong signature, certificate, charset or sign_type) is refused unsigned; what is wrong with
the rest is refused signed, which `Proven` tells apart.

A request of certificate mode names two certificates, and both must be the right ones.
"""

from collections.abc import Mapping
from typing import Final

from gateway.sandbox import keys
from gateway.sandbox.alipay import wire
from gateway.sandbox.alipay.accounts import Account, Accounts
from gateway.sandbox.alipay.authority import Authority
from gateway.sandbox.alipay.call import Call
from gateway.sandbox.alipay.fields import Fields, beijing_moment
from gateway.sandbox.alipay.methods import CERTIFIED_ONLY
from gateway.sandbox.alipay.refusals import Refusal
from gateway.sandbox.notifications import is_legal_url

URL_CHARS_MAX: Final = 256
SIGN_CHARS_MAX: Final = 344
CERTIFICATE_NUMBERS: Final = ("app_cert_sn", "alipay_root_cert_sn")


class Door:
    """Proves senders and reads calls."""

    def __init__(self, *, accounts: Accounts, authority: Authority) -> None:
        self._accounts = accounts
        self._authority = authority

    def sender(self, parameters: Mapping[str, str]) -> Account:
        """The account whose key signed the parameters; raises `Refusal`."""
        account = self._accounts.get(_required(parameters, "app_id", "isv.missing-app-id"))
        if account is None:
            raise Refusal("isv.invalid-app-id")
        if parameters.get("charset", "").lower() != "utf-8":
            raise Refusal("isv.invalid-charset")
        if _required(parameters, "sign_type", "isv.missing-signature-type") != "RSA2":
            raise Refusal("isv.invalid-signature-type")
        if parameters.get("encrypt_type"):
            raise Refusal("isv.invalid-encrypt-type")
        sign = _required(parameters, "sign", "isv.missing-signature")
        text = wire.request_text(parameters)
        right = len(sign) <= SIGN_CHARS_MAX and keys.verified(
            account.merchant_key, message=text, signature=sign
        )
        if not right:
            raise Refusal("isv.invalid-signature")
        if is_certified(parameters):
            self._check_certificates(account, parameters)
        return account

    def call(
        self, account: Account, parameters: Mapping[str, str], *, method: str, known: frozenset[str]
    ) -> Call:
        """The call of a proven sender; `known` are the methods of this way in. Raises `Refusal`."""
        if method not in known:
            raise Refusal("isv.invalid-method")
        timestamp = _required(parameters, "timestamp", "isv.missing-timestamp")
        if beijing_moment(timestamp) is None:
            raise Refusal("isv.invalid-timestamp")
        if _required(parameters, "version", "isv.missing-version") != "1.0":
            raise Refusal("isv.invalid-version")
        if parameters.get("format", "JSON").upper() != "JSON":
            raise Refusal("isv.invalid-format")
        if parameters.get("app_auth_token"):
            raise Refusal("aop.invalid-app-auth-token")
        for name in ("notify_url", "return_url"):
            url = parameters.get(name)
            if url and not is_legal_url(url, chars_max=URL_CHARS_MAX):
                raise Refusal("isv.invalid-parameter", name)
        certified = is_certified(parameters)
        if method in CERTIFIED_ONLY and not certified:
            raise Refusal("isv.insufficient-isv-permissions", "certificates")
        return Call(
            account=account,
            fields=Fields(_required(parameters, "biz_content", "isv.missing-parameter")),
            notify_url=parameters.get("notify_url") or None,
            return_url=parameters.get("return_url") or None,
            certified=certified,
        )

    def _check_certificates(self, account: Account, parameters: Mapping[str, str]) -> None:
        wanted = (self._accounts.certificate(account).sn, self._authority.root.sn)
        for name, number in zip(CERTIFICATE_NUMBERS, wanted, strict=True):
            if parameters.get(name) != number:
                raise Refusal("isv.invalid-parameter", name)


def is_certified(parameters: Mapping[str, str]) -> bool:
    """Whether a request is of certificate mode."""
    return any(parameters.get(name) for name in CERTIFICATE_NUMBERS)


def _required(parameters: Mapping[str, str], name: str, sub_code: str) -> str:
    value = parameters.get(name)
    if not value:
        raise Refusal(sub_code, name)
    return value
