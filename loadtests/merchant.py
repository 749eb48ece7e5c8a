"""A locust merchant: it sells, its payers pay at the simulator, it asks, refunds, repeats itself.

Law: a merchant knows the published contract only (nothing of Tillgate's code is imported), signs
every request, and counts an answer as a failure when it is wrong, not only when it is missing: a
repeated order that gives another payment, or a forged signature that is accepted, fails the run.

    locust -f loadtests/merchant.py --headless --ready-file ready.json -u 20 -r 10 -t 2m
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.env import Environment

SETTLE_S_MAX = 15.0
ASK_AGAIN_S = 0.3
AMOUNT_MIN, AMOUNT_MAX = 100, 50_000  # fen


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.add_argument(
        "--ready-file", required=True, help="The file that `tillgate up --ready-file` writes"
    )


@events.init.add_listener
def _target(environment: Environment, **_: object) -> None:
    options: Any = environment.parsed_options
    ready = json.loads(Path(options.ready_file).read_text(encoding="utf-8"))
    Merchant.ready = ready
    Merchant.host = ready["base_url"]


def authorization(ready: dict[str, str], method: str, target: str, body: bytes) -> str:
    """The value of the Authorization header, signed with the HMAC key of the ready file."""
    ts, nonce = str(int(time.time())), secrets.token_urlsafe(24)
    message = f"{method}\n{target}\n{ts}\n{nonce}\n".encode() + body + b"\n"
    digest = hmac.digest(base64.b64decode(ready["key_secret"]), message, hashlib.sha256)
    return (
        f'TILL1-HMAC-SHA256 mch="{ready["merchant_id"]}",key="{ready["key_id"]}",'
        f'ts="{ts}",nonce="{nonce}",sig="{base64.b64encode(digest).decode()}"'
    )


class Merchant(FastHttpUser):
    """One till of a busy shop."""

    ready: dict[str, str]
    host = "http://127.0.0.1:8080"
    wait_time = between(0.05, 0.25)

    @task(8)
    def sell(self) -> None:
        """An order, paid by its payer, asked for until it has succeeded."""
        self._sell()

    @task(2)
    def sell_and_refund(self) -> None:
        """An order, paid, then given back in part; and never more than was paid."""
        payment = self._sell()
        if payment is None:
            return
        part = payment["amount"] // 2
        refund = {"payment_id": payment["id"], "merchant_refund_no": secrets.token_hex(12)}
        self._send("POST", "/v1/refunds", refund | {"amount": part}, expect=(201,), name="refund")
        refund["merchant_refund_no"] = secrets.token_hex(12)
        too_much = refund | {"amount": payment["amount"]}
        self._send("POST", "/v1/refunds", too_much, expect=(422,), name="refund too much")

    @task(1)
    def repeat(self) -> None:
        """The same order twice: one payment."""
        order = self._order()
        first = self._send("POST", "/v1/payments", order, expect=(201,), name="create")
        again = self._send("POST", "/v1/payments", order, expect=(200,), name="create again")
        if first and again and first["id"] != again["id"]:
            self._wrong("create again", f"{order['merchant_order_no']} made two payments")

    @task(1)
    def forge(self) -> None:
        """A body that was changed after it was signed."""
        order = self._order()
        signed = json.dumps(order).encode()
        changed = json.dumps(order | {"amount": order["amount"] + 1}).encode()
        header = authorization(self.ready, "POST", "/v1/payments", signed)
        self._request("POST", "/v1/payments", changed, header, expect=(401,), name="forged")

    @task(1)
    def cancel(self) -> None:
        """An order that nobody pays is called off."""
        payment = self._send("POST", "/v1/payments", self._order(), expect=(201,), name="create")
        if payment is not None:
            target = f"/v1/payments/{payment['id']}/cancel"
            self._send("POST", target, {}, expect=(200,), name="cancel")

    def _order(self) -> dict[str, Any]:
        return {
            "merchant_order_no": f"load-{secrets.token_hex(12)}",
            "amount": AMOUNT_MIN + secrets.randbelow(AMOUNT_MAX - AMOUNT_MIN),
            "currency": "CNY",
            "subject": "A cup of tea",
            "method": "alipay_qr",
        }

    def _sell(self) -> dict[str, Any] | None:
        """A payment that has succeeded; None where something before went wrong (and is counted)."""
        payment = self._send("POST", "/v1/payments", self._order(), expect=(201,), name="create")
        if payment is None:
            return None
        payment = self._until(payment, "requires_action")
        if payment is None:
            return None
        code = json.dumps({"code": payment["next_action"]["qr_code"]}).encode()
        url = self.ready["sandbox_url"] + "/payer/pay"
        if self._request("POST", url, code, None, expect=(200,), name="(payer pays)") is None:
            return None
        return self._until(payment, "succeeded")

    def _until(self, payment: dict[str, Any], status: str) -> dict[str, Any] | None:
        last = time.monotonic() + SETTLE_S_MAX
        while payment["status"] != status:
            if time.monotonic() > last:
                self._wrong("get", f"{payment['id']} is still {payment['status']}, not {status}")
                return None
            # Under locust this sleep gives way to the other merchants.
            time.sleep(ASK_AGAIN_S)
            asked = self._send("GET", f"/v1/payments/{payment['id']}", expect=(200,), name="get")
            if asked is None:
                return None
            payment = asked
        return payment

    def _send(
        self,
        method: str,
        target: str,
        value: dict[str, Any] | None = None,
        *,
        expect: tuple[int, ...],
        name: str,
    ) -> dict[str, Any] | None:
        body = b"" if value is None else json.dumps(value).encode()
        header = authorization(self.ready, method, target, body)
        return self._request(method, target, body, header, expect=expect, name=name)

    def _request(
        self,
        method: str,
        url: str,
        body: bytes,
        header: str | None,
        *,
        expect: tuple[int, ...],
        name: str,
    ) -> dict[str, Any] | None:
        """Send; the JSON of an expected answer, None for every other (counted as a failure)."""
        headers = {} if header is None else {"Authorization": header}
        if body:
            headers["Content-Type"] = "application/json"
        with self.client.request(
            method, url, data=body.decode(), headers=headers, name=name, catch_response=True
        ) as response:
            if response.status_code not in expect:
                said = (response.text or "")[:300]
                response.failure(f"{response.status_code}, expected {expect}: {said}")
                return None
            response.success()
            answer: dict[str, Any] = response.json()
            return answer

    def _wrong(self, name: str, sentence: str) -> None:
        self.environment.events.request.fire(
            request_type="CHECK",
            name=name,
            response_time=0,
            response_length=0,
            exception=AssertionError(sentence),
        )
