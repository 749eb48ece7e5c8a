"""Cards as the suite meets them.

Law: as `profile`: facts of the channel and of its simulator, no judgement.
"""

from collections.abc import Mapping

from gateway.conformance.doors import Doors
from gateway.conformance.keys import MerchantKey
from gateway.conformance.profile import Opened, Profile, Way, Wrong

ENDPOINTS = "/card/v1/webhook_endpoints"
EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.amount_capturable_updated",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "refund.created",
    "refund.updated",
    "refund.failed",
)
RETURN_URL = "https://shop.example.com/back"


async def open_account(doors: Doors, channel: str, key: MerchantKey, notify_url: str) -> Opened:
    """An account whose events go to `notify_url`."""
    opened = await doors.open_account(channel, key.public_pem)
    secret_key = str(opened["secret_key"])
    known = await doors.send_form("GET", ENDPOINTS, (), bearer=secret_key)
    for endpoint in known["data"]:
        if endpoint["url"] != notify_url:
            path = f"{ENDPOINTS}/{endpoint['id']}"
            await doors.send_form("DELETE", path, (), bearer=secret_key)
    fields = [("url", notify_url), *(("enabled_events[]", event) for event in EVENTS)]
    endpoint = await doors.send_form("POST", ENDPOINTS, fields, bearer=secret_key)
    credentials = {"secret_key": secret_key, "webhook_secret": str(endpoint["secret"])}
    return Opened(opened["gateway_url"], credentials)


def good(serial: int) -> Mapping[str, str]:
    """A card that pays."""
    return {"payment_method": "pm_card_visa"}


def refused(serial: int) -> Mapping[str, str]:
    """A card that the issuer declines."""
    return {"payment_method": "pm_card_chargeDeclined"}


def authenticating(serial: int) -> Mapping[str, str]:
    """A card whose holder must confirm first."""
    return {"payment_method": "pm_card_authenticationRequired"}


WRONG: Wrong = (
    {},
    {"payment_method": "4242424242424242"},
    {"payment_method": "pm_4242 4242 4242 4242"},
)

PROFILE = Profile(
    channel="card",
    open=open_account,
    ways=(
        Way(
            method="card",
            pay="create",
            options=good,
            declining=refused,
            waiting=authenticating,
            wrong_options=WRONG,
            returns_url=RETURN_URL,
        ),
    ),
    holds=(
        Way(
            method="card",
            pay="create",
            options=good,
            capture_method="manual",
            returns_url=RETURN_URL,
        ),
    ),
    faults={
        "query": "query",
        "close": "cancel",
        "refund": "refund",
        "refund_query": "refund_query",
        "capture": "capture",
        "void": "cancel",
        "callback": "notify",
    },
    answers_signed=False,
    time_signed=True,
)
