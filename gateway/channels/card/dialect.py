"""Stripe's spelling: form bodies, headers, currencies, Unix moments.

Law: pure text. Amounts are integers of minor units as in ISO 4217, and only currencies whose minor
unit at Stripe is ISO 4217's are served, so that an amount never changes on its way. Left out for
that reason: ISK and UGX (two places there, none in ISO 4217) and MGA (none there, two in ISO 4217).
Currencies with three places must end in 0, because card networks carry two of them.
Source: Stripe API reference, "Supported currencies", "Idempotent requests", "Versioning".
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from gateway.channels.codec import AccountView
from gateway.channels.wire import HttpRequest
from gateway.domain.errors import TillgateError
from gateway.domain.money import check_amount

API_VERSION = "2026-10-28.endive"
# From this version on an intent says `allowed_payment_method_types`; soon after, the older
# `payment_method_types` is refused (`payment_method_types_no_longer_supported`).
ALLOWED_TYPES_SINCE = "2026-07-29"
AMOUNT_STEP_THREE_PLACES = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNIX_S_MAX = 253_402_300_799  # the last second of the year 9999

NO_PLACES = frozenset("BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF".split())
THREE_PLACES = frozenset("BHD JOD KWD OMR TND".split())
TWO_PLACES = frozenset(
    (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF "
        "CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL "
        "HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP "
        "MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB "
        "SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST "
        "XCD YER ZAR ZMW"
    ).split()
)
CURRENCIES = NO_PLACES | TWO_PLACES | THREE_PLACES

Pairs = Sequence[tuple[str, str]]


def get(account: AccountView, path: str, pairs: Pairs = ()) -> HttpRequest:
    """A reading request; `path` begins after `/v1`."""
    query = f"?{_form(pairs)}" if pairs else ""
    return HttpRequest(method="GET", url=_url(account, path) + query, headers=_headers(account))


def post(
    account: AccountView, path: str, pairs: Pairs = (), *, idempotency_key: str | None = None
) -> HttpRequest:
    """A changing request. The same key with the same pairs has its effect once."""
    headers = (
        *_headers(account),
        ("Content-Type", "application/x-www-form-urlencoded"),
    )
    if idempotency_key is not None:
        headers = (*headers, ("Idempotency-Key", idempotency_key))
    return HttpRequest(
        method="POST",
        url=_url(account, path),
        headers=headers,
        body=_form(pairs).encode("ascii"),
    )


def check_money(amount: int, currency: str) -> None:
    """Raises `unsupported_currency` and `invalid_amount` for what Stripe would never take."""
    if currency not in CURRENCIES:
        raise TillgateError(
            "unsupported_currency", "Cards do not take this currency.", param="/currency"
        )
    check_amount(amount)
    if currency in THREE_PLACES and amount % AMOUNT_STEP_THREE_PLACES:
        raise TillgateError(
            "invalid_amount", f"Amounts of {currency} must end in 0.", param="/amount"
        )


def is_text(text: str) -> bool:
    """Whether it can be written at all: a lone surrogate cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def types_parameter(account: AccountView) -> str:
    """The parameter by which a create says that it is for cards only."""
    since_then = api_version(account) >= ALLOWED_TYPES_SINCE  # dates compare as text
    return "allowed_payment_method_types[]" if since_then else "payment_method_types[]"


def api_version(account: AccountView) -> str:
    """The version of the API that this account's requests are made for."""
    return account.credentials.get("api_version") or API_VERSION


def is_plain(account: AccountView) -> bool:
    """Whether the server knows only the core of the API and refuses every other parameter."""
    return account.credentials.get("parameters") == "plain"


def unix_s(moment: datetime) -> int:
    """Whole Unix seconds, rounded down. Raises TypeError without a zone."""
    return (moment - EPOCH) // timedelta(seconds=1)


def moment_of(unix: int | None) -> datetime | None:
    """The moment (UTC) of Unix seconds; None where there is none or it is no moment."""
    if unix is None or not 0 < unix <= UNIX_S_MAX:
        return None
    return EPOCH + timedelta(seconds=unix)


def _url(account: AccountView, path: str) -> str:
    return f"{account.gateway_url.rstrip('/')}/v1{path}"


def _form(pairs: Pairs) -> str:
    return urlencode(pairs, quote_via=quote, safe="")


def _headers(account: AccountView) -> tuple[tuple[str, str], ...]:
    return (
        ("Authorization", f"Bearer {account.credentials['secret_key']}"),
        ("Stripe-Version", api_version(account)),
        ("Accept", "application/json"),
    )
