"""A registration at Stripe: what it must be given, and what could never work.

Law: refuses before anything is stored, and never quotes a secret. A key of the wrong kind (a
publishable one) or an ill-formed secret is refused here, because a payment must not find out.
"""

import re
from urllib.parse import urlsplit

from gateway.channels.codec import AccountView
from gateway.domain.errors import TillgateError

CREDENTIAL_NAMES = frozenset({"secret_key", "webhook_secret"})
OPTION_NAMES = frozenset({"webhook_secret_previous", "api_version", "parameters"})
SECRET_NAMES = frozenset({"secret_key", "webhook_secret", "webhook_secret_previous"})
PARAMETERS = ("full", "plain")

_SECRET_KEY = re.compile(r"(sk|rk)_[A-Za-z0-9_]{6,250}")
_WEBHOOK_SECRET = re.compile(r"[!-~]{8,255}")
_API_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z_]{1,32})?")


def check_account(account: AccountView) -> None:
    """Raises `missing_field`, `invalid_field` or `url_not_allowed`."""
    credentials = account.credentials
    for name in sorted(CREDENTIAL_NAMES):
        if not credentials.get(name):
            raise TillgateError(
                "missing_field", f"Card accounts need {name}.", param=f"/credentials/{name}"
            )
    forms = {
        "secret_key": (_SECRET_KEY, "begins with sk_ or rk_"),
        "webhook_secret": (_WEBHOOK_SECRET, "has 8 to 255 printable characters"),
        "webhook_secret_previous": (_WEBHOOK_SECRET, "has 8 to 255 printable characters"),
        "api_version": (_API_VERSION, "is a date, such as 2026-10-28.endive"),
    }
    for name, (form, said) in forms.items():
        value = credentials.get(name)
        if value and not form.fullmatch(value):
            raise TillgateError("invalid_field", f"{name} {said}.", param=f"/credentials/{name}")
    if credentials.get("parameters", "full") not in PARAMETERS:
        raise TillgateError(
            "invalid_field", "parameters is full or plain.", param="/credentials/parameters"
        )
    gateway = urlsplit(account.gateway_url)
    if gateway.query or gateway.fragment or gateway.scheme not in ("https", "http"):
        raise TillgateError(
            "url_not_allowed", "The gateway URL must be http(s), without query or fragment."
        )


def is_live(account: AccountView) -> bool | None:
    """Whether the key is one for real money; None where it does not say."""
    key = account.credentials["secret_key"]
    for word, live in (("_live_", True), ("_test_", False)):
        if key[2:].startswith(word):
            return live
    return None
