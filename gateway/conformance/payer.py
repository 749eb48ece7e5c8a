"""Payer: from what a channel handed out to the code by which the pretend payer knows the order.

Law: nothing is known here that a payer would not see: a QR text, a page, an order string, a
transfer's reference, or the code on his own phone.
"""

from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

from gateway.channels.codec import PayOrder
from gateway.conformance.doors import Doors
from gateway.conformance.judgement import fail

CODE_PARAMETER = "code"


async def payer_code(doors: Doors, order: PayOrder, action: Mapping[str, object]) -> str:
    """The code of any next action that has a usual form; a channel may have a reach of its own."""
    kind = action.get("type")
    if kind == "qr_code":
        return str(action["qr_code"])
    if kind == "redirect":
        return await page_code(doors, str(action["url"]), None)
    if kind == "form":
        fields = action["fields"]
        if not isinstance(fields, Mapping):
            fail("a form's fields are no object")
        return await page_code(doors, str(action["url"]), fields)
    if kind == "app_params" and "order_string" in action:
        return str(action["order_string"])
    if kind == "bank_transfer":
        return str(action.get("reference") or action["account"])
    if kind == "barcode_wait":
        return order.method_options["auth_code"]
    fail(f"the suite knows no payer for the next action {kind!r}: give the way a `reach`")


async def page_code(doors: Doors, url: str, fields: Mapping[str, str] | None) -> str:
    """The code on the page that a browser ends at: in its address, or in its form."""
    page = await doors.browse(url, fields)
    in_address = parse_qs(urlsplit(page.url).query).get(CODE_PARAMETER)
    if in_address:
        return in_address[0]
    finder = _CodeFinder()
    finder.feed(page.text)
    if finder.code is None:
        fail(f"the payer's page (HTTP {page.status}) shows no code")
    return finder.code


class _CodeFinder(HTMLParser):
    """Finds the first input named `code`."""

    code: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See `HTMLParser`."""
        values = dict(attrs)
        if tag == "input" and values.get("name") == CODE_PARAMETER and self.code is None:
            self.code = values.get("value") or None
