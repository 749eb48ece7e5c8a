"""What a merchant's registration at WeChat Pay must be, and what an order must be.

Law: says exactly what is wrong, before anything is stored or sent; never quotes a secret. Required
are the merchant's number, application, private key with its certificate's serial, and the APIv3
key. A WeChat Pay public key comes with its id or not at all; without it the platform certificates
are fetched.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.channels import limits
from gateway.channels.codec import AccountView, PayOrder
from gateway.channels.crypto import KeyUnusable, rsa_private_key, rsa_public_key
from gateway.channels.wechat.dialect import AMOUNT_FEN_MAX, AMOUNT_FEN_MIN, CURRENCY, is_text
from gateway.channels.wechat.keys import PUBLIC_KEY_ID_PREFIX
from gateway.channels.wechat.seal import APIV3_KEY_BYTES, is_apiv3_key
from gateway.channels.wechat.transfer import reports_of
from gateway.channels.wechat.ways import WAYS
from gateway.domain.errors import TillgateError

REQUIRED = frozenset({"mchid", "appid", "merchant_private_key", "merchant_serial", "apiv3_key"})
OPTIONS = frozenset(
    {
        "wechat_public_key",
        "wechat_public_key_id",
        "store_id",
        "transfer_scene_id",
        "transfer_scene_report_infos",
    }
)
SECRETS = frozenset({"merchant_private_key", "apiv3_key"})
NOTIFY_URL_CHARS_MAX = 255
SUBJECT_CHARS_MAX = 127

_ORDER_NO = re.compile(r"[0-9A-Za-z_|*-]{1,32}")
_SHAPES = {
    "mchid": (re.compile(r"[0-9]{6,32}"), "the merchant number, digits only"),
    "appid": (
        re.compile(r"[0-9A-Za-z_-]{1,32}"),
        "the application's id, such as wx0123456789abcdef",
    ),
    "merchant_serial": (
        re.compile(r"[0-9A-Fa-f]{1,40}"),
        "the serial number of the merchant's certificate, hexadecimal",
    ),
    "wechat_public_key_id": (
        re.compile(PUBLIC_KEY_ID_PREFIX + r"[0-9A-Za-z]{1,64}"),
        f"the id of WeChat's public key, beginning with {PUBLIC_KEY_ID_PREFIX}",
    ),
    "store_id": (re.compile(r"[0-9A-Za-z_-]{1,32}"), "the store's number, at most 32 characters"),
    "transfer_scene_id": (re.compile(r"[0-9]{1,16}"), "the number of a transfer scene"),
}


def check_account(account: AccountView) -> None:
    """Raises `TillgateError` `missing_field`, `invalid_field` or `url_not_allowed`."""
    for name in sorted(REQUIRED):
        if not account.credentials.get(name):
            raise TillgateError(
                "missing_field", f"WeChat Pay needs {name}.", param=f"/credentials/{name}"
            )
    for name, (shape, what) in _SHAPES.items():
        value = account.credentials.get(name)
        if value and not shape.fullmatch(value):
            raise _invalid(name, f"{name} must be {what}.")
    if not is_apiv3_key(account.credentials["apiv3_key"]):
        raise _invalid(
            "apiv3_key", f"apiv3_key must be exactly {APIV3_KEY_BYTES} printable ASCII characters."
        )
    _check_keys(account)
    reports = account.credentials.get("transfer_scene_report_infos")
    if reports:
        try:
            reports_of(reports)
        except ValueError as error:
            name = "transfer_scene_report_infos"
            raise _invalid(name, f"{name} is refused: {error}.") from None
    _check_urls(account)


def _check_keys(account: AccountView) -> None:
    credentials = account.credentials
    try:
        own = rsa_private_key(credentials["merchant_private_key"]).public_key()
    except KeyUnusable as error:
        raise _invalid("merchant_private_key", f"{str(error).capitalize()}.") from None
    pem, key_id = credentials.get("wechat_public_key"), credentials.get("wechat_public_key_id")
    if bool(pem) != bool(key_id):
        name = "wechat_public_key_id" if pem else "wechat_public_key"
        raise TillgateError(
            "missing_field",
            "wechat_public_key and wechat_public_key_id come together or not at all.",
            param=f"/credentials/{name}",
        )
    if not pem:
        return
    if "CERTIFICATE" in pem[:64]:
        raise _invalid(
            "wechat_public_key",
            "wechat_public_key is a certificate; give WeChat's public key, or leave it out.",
        )
    try:
        public = rsa_public_key(pem)
    except KeyUnusable as error:
        raise _invalid("wechat_public_key", f"{str(error).capitalize()}.") from None
    if public.public_numbers() == own.public_numbers():
        raise _invalid(
            "wechat_public_key", "wechat_public_key is the merchant's own key, not WeChat's."
        )


def _check_urls(account: AccountView) -> None:
    gateway = urlsplit(account.gateway_url)
    if gateway.query or gateway.fragment or gateway.scheme not in ("https", "http"):
        raise TillgateError(
            "url_not_allowed", "The gateway URL must be http(s), without query or fragment."
        )
    notify = urlsplit(account.notify_url)
    if notify.query or notify.fragment:
        raise TillgateError("url_not_allowed", "WeChat Pay takes no notify URL with a query.")
    if gateway.scheme == "https" and not _is_public(notify.scheme, notify.hostname or ""):
        raise TillgateError("url_not_allowed", "WeChat Pay calls public https URLs only.")
    if len(account.notify_url) > NOTIFY_URL_CHARS_MAX:
        raise TillgateError(
            "limit_exceeded", f"WeChat Pay takes notify URLs of {NOTIFY_URL_CHARS_MAX} characters."
        )


def _is_public(scheme: str, host: str) -> bool:
    if scheme != "https" or not host or host == "localhost":
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return True


def _invalid(name: str, detail: str) -> TillgateError:
    return TillgateError("invalid_field", detail, param=f"/credentials/{name}")


# --- orders -------------------------------------------------------------------------------------


def check_order(order: PayOrder) -> None:
    """Refuse what WeChat would never take, before a byte leaves. Raises `TillgateError`."""
    way = WAYS.get(order.method)
    if way is None:
        raise TillgateError(
            "unsupported_method", f"WeChat Pay does not serve {order.method}.", param="/method"
        )
    if order.capture_method != "automatic":
        raise TillgateError(
            "unsupported_method", "WeChat Pay holds no money.", param="/capture_method"
        )
    check_amount(order.amount, order.currency)
    if not 1 <= len(order.subject) <= SUBJECT_CHARS_MAX or not is_text(order.subject):
        raise TillgateError(
            "invalid_field",
            f"WeChat Pay takes subjects of 1 to {SUBJECT_CHARS_MAX} characters.",
            param="/subject",
        )
    if way.option is not None:
        way.option(order)
    if not _ORDER_NO.fullmatch(order.attempt_no):
        raise TillgateError("internal_error", "The order number is not one for WeChat Pay.")


def check_amount(amount: int, currency: str) -> None:
    """Raises `unsupported_currency`, `amount_below_minimum` or `limit_exceeded`."""
    limits.check_amount(
        amount,
        currency,
        channel="WeChat Pay",
        only=CURRENCY,
        least=AMOUNT_FEN_MIN,
        greatest=AMOUNT_FEN_MAX,
    )
