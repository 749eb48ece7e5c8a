"""Requests to Alipay, complete to the byte, in the three shapes of its gateway.

Law: a request is signed over what it carries, once, and every value is percent-encoded once, after
signing. No parameter stands in two places. The shapes:

- a call of ours: common parameters in the query, `biz_content` in the form body, by POST;
- a page that the payer opens: everything in the query of a GET URL, or a form if that is too long;
- an order string that the merchant's app hands to Alipay's app: everything, never sent by us.

Source: Alipay open platform, "common request parameters", "page.pay", "app.pay".
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from fastpath.form import write_form
from gateway.channels.alipay.credentials import request_numbers
from gateway.channels.alipay.dialect import beijing_text
from gateway.channels.alipay.signature import SIGN_TYPE, sign_request
from gateway.channels.codec import AccountView
from gateway.channels.wire import HttpRequest

PAGE_URL_CHARS_MAX = 2_000
"""Longer addresses are cut by browsers and proxies on the payer's way; a form is not."""

_BODY_NAME = "biz_content"
_HEADERS = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)


def signed_parameters(
    account: AccountView,
    interface: str,
    content: Mapping[str, object],
    now: datetime,
    *,
    notify_url: str = "",
    return_url: str = "",
) -> dict[str, str]:
    """All parameters of a request, `sign` included, raw."""
    parameters = {
        "app_id": account.credentials["app_id"],
        "method": interface,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": SIGN_TYPE,
        "timestamp": beijing_text(now),
        "version": "1.0",
        **request_numbers(account),
    }
    if notify_url:
        parameters["notify_url"] = notify_url
    if return_url:
        parameters["return_url"] = return_url
    parameters[_BODY_NAME] = msgspec.json.encode(content).decode("utf-8")
    parameters["sign"] = sign_request(parameters, account.credentials["merchant_private_key"])
    return parameters


def call(
    account: AccountView,
    interface: str,
    content: Mapping[str, object],
    now: datetime,
    *,
    notify_url: str = "",
) -> HttpRequest:
    """A call of ours to the gateway."""
    parameters = signed_parameters(account, interface, content, now, notify_url=notify_url)
    body = parameters.pop(_BODY_NAME)
    return HttpRequest(
        method="POST",
        url=f"{account.gateway_url}?{write_form(parameters)}",
        headers=_HEADERS,
        body=write_form({_BODY_NAME: body}).encode("ascii"),
    )


def page_action(account: AccountView, parameters: dict[str, str]) -> dict[str, object]:
    """How the payer's browser carries a signed order: `redirect`, or `form` if it is too long.

    The form's address names the charset, because Alipay reads the body by it.
    """
    url = f"{account.gateway_url}?{write_form(parameters)}"
    if len(url) <= PAGE_URL_CHARS_MAX:
        return {"type": "redirect", "url": url}
    fields = {name: value for name, value in parameters.items() if name != "charset"}
    return {
        "type": "form",
        "url": f"{account.gateway_url}?charset={parameters['charset']}",
        "fields": fields,
    }


def app_action(parameters: dict[str, str]) -> dict[str, object]:
    """What the merchant's app hands to Alipay's app."""
    return {"type": "app_params", "order_string": write_form(parameters)}
