"""The payer: somebody with a phone who scans codes, and a small page to play that person.

Law: the payer knows a code and nothing else; who issued it is found in the book. The page works
without scripts, loads nothing from elsewhere, and takes forms from its own origin only.
"""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from gateway.sandbox.book import Book, Order
from gateway.sandbox.channel import PayerRefused, Played, Receiving, Simulator
from gateway.sandbox.expiry import Expiry
from gateway.sandbox.strict import InputRefused

BEHAVIOURS: Final = ("pay", "decline", "ignore")
CODE_CHARS_MAX: Final = 8_192
"""A signed order that an app or a browser brings is much longer than a QR text."""

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem}.amount{font-size:2rem;font-variant-numeric:tabular-nums}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dt{opacity:.7}
dd{margin:0;overflow-wrap:anywhere}
input[type=text]{width:100%;box-sizing:border-box;padding:.6rem;font:inherit}
button{font:inherit;padding:.6rem 1rem;margin:.75rem .5rem 0 0;cursor:pointer}
.note{border-inline-start:4px solid;padding-inline-start:.75rem}
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_STATUS: Final = {
    "open": "等待付款 Waiting for payment",
    "paid": "已付款 Paid",
    "closed": "已关闭 Closed",
}
_RESULT: Final = {
    "paid": "付款成功 Paid",
    "declined": "已拒绝付款 Declined",
    "ignored": "已扫码，未付款 Scanned, not paid",
    "pending": "处理中 Pending",
}
_NOT_POSSIBLE: Final = "无法付款 Not possible"
_UNKNOWN_CODE: Final = "没有这个收款码 There is no such code"


class Payer:
    """Finds the order behind a code and lets its channel carry out what the payer does."""

    def __init__(self, *, book: Book, expiry: Expiry, simulators: Mapping[str, Simulator]) -> None:
        self._book = book
        self._expiry = expiry
        self._simulators = simulators

    def routes(self) -> list[web.RouteDef]:
        """The page."""
        return [
            web.get("/payer", self._show_page),
            web.post("/payer", self._take_form),
        ]

    def play(self, code: str, *, behaviour: str, amount: int | None) -> Played | None:
        """What came of it, or None for an unknown code; raises `PayerRefused`."""
        order = self._order(code)
        if order is None:
            return None
        simulator = self._simulators[order.channel]
        return simulator.play(order, behaviour=behaviour, amount=amount)

    def _order(self, code: str) -> Order | None:
        self._expiry.settle()
        order = self._book.order_by_code(code)
        if order is not None:
            return order
        for simulator in self._simulators.values():
            if isinstance(simulator, Receiving) and (taken := simulator.take(code)):
                return taken
        return None

    async def _show_page(self, request: web.Request) -> web.Response:
        code = request.query.get("code", "").strip()
        if not code:
            return _page(_code_form(""), status=200)
        try:
            order = self._order(code)
        except PayerRefused as refused:
            return _page(_note(f"{_NOT_POSSIBLE}: {refused.detail}"), status=409)
        if order is None:
            return _page(_note(_UNKNOWN_CODE) + _code_form(code), status=404)
        return _page(self._order_part(order, code), status=200)

    async def _take_form(self, request: web.Request) -> web.Response:
        _refuse_foreign_origin(request)
        form = await request.post()
        code, behaviour = str(form.get("code", "")), str(form.get("behaviour", ""))
        if behaviour not in BEHAVIOURS or len(code) > CODE_CHARS_MAX:
            raise InputRefused("invalid_field", "the form needs a code and a behaviour")
        try:
            played = self.play(code, behaviour=behaviour, amount=None)
        except PayerRefused as refused:
            note, status = _note(f"{_NOT_POSSIBLE}: {refused.detail}"), 409
        else:
            if played is None:
                return _page(_note(_UNKNOWN_CODE) + _code_form(code), status=404)
            note, status = _note(_RESULT[played.result]), 200
        order = self._order(code)
        shown = self._order_part(order, code) if order else ""
        return _page(note + shown, status=status)

    def _order_part(self, order: Order, code: str) -> str:
        told = self._simulators[order.channel].describe(order)
        rows = {
            "渠道 Channel": told.channel_title,
            "收款方 Seller": told.seller,
            "订单 Order": told.subject,
            "商户单号 Number": order.out_trade_no,
            "状态 Status": _STATUS[order.status],
        }
        table = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows.items())
        amount = f"{order.currency} {order.amount // 100}.{order.amount % 100:02d}"
        buttons = _buttons(code) if order.status == "open" else _way_back(told.back)
        return f'<p class="amount">{escape(amount)}</p><dl>{table}</dl>{buttons}'


def _refuse_foreign_origin(request: web.Request) -> None:
    """A page of another origin may not press our buttons; programs send no Origin at all."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise InputRefused("foreign_origin", "the form came from another origin", status=403)


def _buttons(code: str) -> str:
    return (
        '<form method="post" action="/payer">'
        f'<input type="hidden" name="code" value="{escape(code)}">'
        '<button name="behaviour" value="pay">付款 Pay</button>'
        '<button name="behaviour" value="decline">拒绝 Decline</button>'
        '<button name="behaviour" value="ignore">不理会 Ignore</button></form>'
    )


def _way_back(url: str | None) -> str:
    if url is None:
        return ""
    return f'<p><a href="{escape(url)}">返回商户 Back to the merchant</a></p>'


def _code_form(code: str) -> str:
    return (
        '<form method="get" action="/payer"><label>收款码内容 Text of the code'
        f'<input type="text" name="code" maxlength="{CODE_CHARS_MAX}" value="{escape(code)}"'
        " required autofocus></label><button>扫码 Scan</button></form>"
    )


def _note(text: str) -> str:
    return f'<p class="note" role="status">{escape(text)}</p>'


def _page(content: str, *, status: int) -> web.Response:
    text = (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>模拟付款人 Pretend payer</title><style>{_STYLE}</style></head>"
        f"<body><h1>模拟付款人 Pretend payer</h1>{content}</body></html>"
    )
    return web.Response(
        text=text, content_type="text/html", charset="utf-8", status=status, headers=PAGE_HEADERS
    )
