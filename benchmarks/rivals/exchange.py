"""The least that a whole life costs: the same HTTP exchanges and the same RSA operations, no more.

Law: takes an order, asks the pretend Alipay for a code (one signature made, one checked), hands it
out; takes the notification (one signature checked), answers it, and tells the merchant by one
request. No database, no merchant's signature, no check of any field, nothing is remembered but
where the merchant listens. One process on uvloop.

    python -m benchmarks.rivals.exchange 8080 settings.json
"""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import aiohttp
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

PADDING, SHA256 = padding.PKCS1v15(), hashes.SHA256()
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
NODE = b'"alipay_trade_precreate_response":'


class Exchange:
    """The program: `settings` are those of an account at the simulator, and where to tell."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        key = load_pem_private_key(settings["merchant_private_key"].encode(), None)
        channel_key = load_pem_public_key(settings["alipay_public_key"].encode())
        assert isinstance(key, rsa.RSAPrivateKey) and isinstance(channel_key, rsa.RSAPublicKey)
        self._key, self._channel_key = key, channel_key
        self._session: aiohttp.ClientSession
        self._telling: set[asyncio.Task[None]] = set()

    async def open(self, application: web.Application) -> Any:
        """The client side."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            yield
            await asyncio.gather(*self._telling)

    async def create(self, request: web.Request) -> web.Response:
        """An order becomes a code."""
        order = await request.json()
        cents = order["amount"]
        content = json.dumps(
            {
                "out_trade_no": order["merchant_order_no"].replace("-", "_"),
                "total_amount": f"{cents // 100}.{cents % 100:02d}",
                "subject": order["subject"],
                "passback_params": order["merchant_order_no"],
            }
        )
        common = {
            "app_id": self._settings["app_id"],
            "method": "alipay.trade.precreate",
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8 * 3600)),
            "version": "1.0",
            "notify_url": self._settings["notify_url"],
        }
        signed = {**common, "biz_content": content}
        text = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        common["sign"] = base64.b64encode(self._key.sign(text.encode(), PADDING, SHA256)).decode()
        url = f"{self._settings['gateway_url']}?{urlencode(common, quote_via=quote, safe='')}"
        body = b"biz_content=" + quote(content, safe="").encode()
        async with self._session.post(url, data=body, headers=FORM) as answer:
            whole = await answer.read()
        node, _, rest = whole.partition(NODE)[2].rpartition(b',"sign":"')
        self._channel_key.verify(base64.b64decode(rest.rstrip(b'"}')), node, PADDING, SHA256)
        code = json.loads(node)["qr_code"]
        shown = {
            "id": order["merchant_order_no"],
            "merchant_order_no": order["merchant_order_no"],
            "amount": cents,
            "status": "requires_action",
            "next_action": {"type": "qr_code", "qr_code": code},
        }
        return web.json_response(shown, status=201)

    async def notified(self, request: web.Request) -> web.Response:
        """The channel says that a payer paid."""
        fields = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        sign = base64.b64decode(fields.pop("sign"))
        fields.pop("sign_type")
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        self._channel_key.verify(sign, text.encode(), PADDING, SHA256)
        task = asyncio.create_task(self._tell(fields["passback_params"]))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return web.Response(text="success")

    async def _tell(self, number: str) -> None:
        event = {"type": "payment.succeeded", "data": {"merchant_order_no": number}}
        async with self._session.post(self._settings["webhook_url"], json=event) as answer:
            await answer.read()


def main() -> None:
    """Serve until told to end."""
    exchange = Exchange(json.loads(Path(sys.argv[2]).read_text("utf-8")))
    application = web.Application()
    application.router.add_post("/v1/payments", exchange.create)
    application.router.add_post("/notify", exchange.notified)
    application.cleanup_ctx.append(exchange.open)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
