"""What an account at Alipay is registered with: public key mode or certificate mode.

Law: an account has exactly one mode, and what it lacks is said by name before it is stored. In
public key mode Alipay's key is pasted (`alipay_public_key`). In certificate mode three PEM texts
stand in its place (`app_cert`, `alipay_cert`, `alipay_root_cert`); requests then carry numbers of
certificates, and an answer names the certificate that signed it. If both are given, certificates
win. A key is chosen here and nowhere else; an unknown number chooses none.

Source: Alipay open platform, "public key certificates".
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from gateway.channels.alipay.certificate import CertificateUnusable, cert_sn, root_cert_sn
from gateway.channels.codec import AccountView
from gateway.channels.crypto import KeyUnusable, rsa_private_key, rsa_public_key
from gateway.domain.errors import TillgateError

REQUIRED = frozenset({"app_id", "seller_id", "merchant_private_key"})
SECRET = frozenset({"merchant_private_key"})
PUBLIC_KEY = "alipay_public_key"
CERTIFICATES = ("app_cert", "alipay_cert", "alipay_root_cert")
PRODUCT_CODES = ("product_code", "wap_product_code", "preauth_product_code")
SWITCHES = ("transfer_in_public_key_mode", "unescaped_slashes")
V2_NOTIFY_TYPES = "v2_notify_types"
OPTIONS = frozenset({PUBLIC_KEY, *CERTIFICATES, *PRODUCT_CODES, *SWITCHES, V2_NOTIFY_TYPES})

ALWAYS_V1 = ("trade_status_sync", "fund_auth_")
NOTIFY_URL_CHARS_MAX = 256
CERTIFICATES_CACHED_MAX = 1024

_NO_TYPES: frozenset[str] = frozenset()

_numbered = lru_cache(maxsize=CERTIFICATES_CACHED_MAX)(cert_sn)
_root_numbered = lru_cache(maxsize=CERTIFICATES_CACHED_MAX)(root_cert_sn)


def in_certificate_mode(account: AccountView) -> bool:
    """Whether the account is registered with certificates."""
    given = account.credentials.get
    return bool(given("app_cert") or given("alipay_cert") or given("alipay_root_cert"))


def is_switched_on(account: AccountView, name: str) -> bool:
    """Whether one of `SWITCHES` says `on`."""
    return account.credentials.get(name) == "on"


def v2_types(account: AccountView) -> frozenset[str]:
    """The types of notifications that are signed with `sign_type` kept (V2)."""
    text = account.credentials.get(V2_NOTIFY_TYPES)
    if not text:
        return _NO_TYPES
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def request_numbers(account: AccountView) -> dict[str, str]:
    """What certificate mode adds to a request; nothing in public key mode.

    Raises `CertificateUnusable` for an account that `check_account` has not seen.
    """
    if not in_certificate_mode(account):
        return {}
    return {
        "app_cert_sn": _numbered(account.credentials["app_cert"]),
        "alipay_root_cert_sn": _root_numbered(account.credentials["alipay_root_cert"]).sn,
    }


def verification_keys(account: AccountView, serial: str | None) -> tuple[str, ...]:
    """The keys or certificates of which one must have signed a message; none for an unknown serial.

    `serial` is the number that the message names. A message without one is held against all that
    are known to be Alipay's, the account's own first: naming none frees nobody from verification.
    """
    if not in_certificate_mode(account):
        return (account.credentials[PUBLIC_KEY],)
    own = account.credentials["alipay_cert"]
    if serial is None:
        return (own, *account.keys.values())
    try:
        if serial == _numbered(own):
            return (own,)
    except CertificateUnusable:
        return ()
    return (account.keys[serial],) if serial in account.keys else ()


def check_account(account: AccountView) -> None:
    """Refuse a registration that could never work: to be asked before it is stored.

    Raises `TillgateError` `missing_field`, `invalid_field`, `url_not_allowed` or `limit_exceeded`.
    """
    credentials = account.credentials
    needed = (*sorted(REQUIRED), *_mode_names(account))
    for name in needed:
        if not credentials.get(name):
            raise TillgateError("missing_field", _needs(name), param=f"/credentials/{name}")
    for name, load in _LOADERS.items():
        if name in needed:
            _check_loads(name, load, credentials)
    if "app_cert" in needed:
        _check_pair(credentials)
    for name in SWITCHES:
        if (credentials.get(name) or "off") not in ("on", "off"):
            raise _invalid(name, f"{name} is on or off.")
    if any(each.startswith(ALWAYS_V1) for each in v2_types(account)):
        raise _invalid(V2_NOTIFY_TYPES, "Notifications of payments are never signed by rule V2.")
    gateway = urlsplit(account.gateway_url)
    if gateway.query or gateway.fragment or gateway.scheme not in ("https", "http"):
        raise TillgateError(
            "url_not_allowed", "The gateway URL must be http(s), without query or fragment."
        )
    if len(account.notify_url) > NOTIFY_URL_CHARS_MAX:
        raise TillgateError(
            "limit_exceeded", f"Alipay takes notify URLs of {NOTIFY_URL_CHARS_MAX} characters."
        )


def _mode_names(account: AccountView) -> tuple[str, ...]:
    return CERTIFICATES if in_certificate_mode(account) else (PUBLIC_KEY,)


def _needs(name: str) -> str:
    if name in CERTIFICATES:
        return f"Alipay's certificate mode needs {name}; all of {', '.join(CERTIFICATES)}."
    if name == PUBLIC_KEY:
        return f"Alipay needs {name}, or {', '.join(CERTIFICATES)} in certificate mode."
    return f"Alipay needs {name}."


def _check_loads(name: str, load: Callable[[str], object], credentials: Mapping[str, str]) -> None:
    try:
        load(credentials[name])
    except (KeyUnusable, CertificateUnusable) as error:
        raise _invalid(name, f"{str(error).capitalize()}.") from None


def _check_pair(credentials: Mapping[str, str]) -> None:
    certified = rsa_public_key(credentials["app_cert"]).public_numbers()
    if rsa_private_key(credentials["merchant_private_key"]).public_key().public_numbers() != (
        certified
    ):
        raise _invalid("app_cert", "The certificate is not that of merchant_private_key.")


def _invalid(name: str, detail: str) -> TillgateError:
    return TillgateError("invalid_field", detail, param=f"/credentials/{name}")


def _load_certificate(text: str) -> object:
    return cert_sn(text) and rsa_public_key(text)


_LOADERS: Mapping[str, Callable[[str], object]] = {
    "merchant_private_key": rsa_private_key,
    PUBLIC_KEY: rsa_public_key,
    "app_cert": _load_certificate,
    "alipay_cert": _load_certificate,
    "alipay_root_cert": root_cert_sn,
}
