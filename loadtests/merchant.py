"""Locust merchants: they sell, their payers pay at the simulator, they ask, refund, repeat, cancel.

Law: a merchant knows the published contract only, signs every request, and counts an answer as a
failure when it is wrong, not only when it is missing: a repeated order that gives another payment,
or a forged signature that is accepted, fails the run. Whatever is acknowledged is written down
(`record.py`), and the run ends only when every promised webhook has come, or has had its time.

    locust -f loadtests/merchant.py --headless --ready-file ready.json --records folder -u 20 -t 2m
"""

import json
import secrets
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, between, events, task
from locust.env import Environment
from locust.util.timespan import parse_timespan

from loadtests.account import METHOD, Account, open_account
from loadtests.receiver import Receiver
from loadtests.record import Operation, Record
from loadtests.shapes import SHAPES, users_at

SETTLE_S_MAX = 15.0
WEBHOOKS_S_MAX = 60.0
ASK_AGAIN_S = 0.3
AMOUNT_MIN, AMOUNT_MAX = 100, 50_000  # fen
MERCHANTS = 4
ENDPOINTS = "/v1/webhook_endpoints"


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.add_argument(
        "--ready-file", required=True, help="The file that `tillgate up --ready-file` writes"
    )
    parser.add_argument("--records", required=True, help="The folder of the record")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="steady")
    parser.add_argument("--merchants", type=int, default=MERCHANTS)


@events.init.add_listener
def _open(environment: Environment, **_: object) -> None:
    options: Any = environment.parsed_options
    ready = json.loads(Path(options.ready_file).read_text(encoding="utf-8"))
    record = Record(Path(options.records))
    receiver = Receiver(record)
    receiver.start()
    accounts = []
    for number in range(options.merchants):
        account = open_account(ready, name=f"Load test {number + 1}")
        wanted = {"url": receiver.url_of(account.merchant_id), "events": ["*"]}
        endpoint = account.ask(ready["base_url"], "POST", ENDPOINTS, wanted)
        receiver.trust(account.merchant_id, endpoint["secret"])
        accounts.append(account)
    Till.ready, Till.record, Till.accounts = ready, record, accounts
    Till.host = ready["base_url"]


@events.test_stop.add_listener
def _hear(environment: Environment, **_: object) -> None:
    """Wait for the webhooks that are still on their way."""
    last = time.monotonic() + WEBHOOKS_S_MAX
    while Till.record.missing() and time.monotonic() < last:
        time.sleep(ASK_AGAIN_S)


@events.quitting.add_listener
def _close(environment: Environment, **_: object) -> None:
    Till.record.close()


class Shape(LoadTestShape):
    """How many tills are open, by `--shape`, `--users`, `--spawn-rate` and `--run-time`."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """The number of now, and how fast to get there; None at the end."""
        assert self.runner is not None
        options: Any = self.runner.environment.parsed_options
        total_s = options.run_time
        if isinstance(total_s, str):
            total_s = parse_timespan(total_s)
        at_s = self.get_run_time()
        if at_s >= total_s:
            return None
        users = users_at(options.shape, at_s / total_s, users=options.num_users or 1)
        return users, float(options.spawn_rate or users)


class Till(FastHttpUser):
    """One till of a busy shop."""

    ready: dict[str, Any]
    record: Record
    accounts: list[Account]
    host = "http://127.0.0.1:8080"
    wait_time = between(0.05, 0.25)

    def on_start(self) -> None:
        """Belong to one of the merchants."""
        self.account = secrets.choice(self.accounts)

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
        part, number = payment["amount"] // 2, secrets.token_hex(12)
        refund = {"payment_id": payment["id"], "merchant_refund_no": number, "amount": part}
        made = self._send("POST", "/v1/refunds", refund, expect=201, name="refund")
        if made is not None:
            self._acknowledged("refunded", made["id"], number, part, payment["id"])
        refund |= {"merchant_refund_no": secrets.token_hex(12), "amount": payment["amount"]}
        self._send("POST", "/v1/refunds", refund, expect=422, name="refund too much")

    @task(1)
    def repeat(self) -> None:
        """The same order twice: one payment."""
        order = self._order()
        first = self._create(order)
        again = self._send("POST", "/v1/payments", order, expect=200, name="create again")
        if first and again and first["id"] != again["id"]:
            self._wrong("create again", f"{order['merchant_order_no']} made two payments")

    @task(1)
    def forge(self) -> None:
        """A body that was changed after it was signed."""
        order = self._order()
        signed = json.dumps(order).encode()
        changed = json.dumps(order | {"amount": order["amount"] + 1}).encode()
        header = self.account.authorization("POST", "/v1/payments", signed)
        self._request("POST", "/v1/payments", changed, header, expect=401, name="forged")

    @task(1)
    def cancel(self) -> None:
        """An order that nobody pays is called off."""
        payment = self._create(self._order())
        if payment is not None:
            target = f"/v1/payments/{payment['id']}/cancel"
            if self._send("POST", target, {}, expect=200, name="cancel") is None:
                return
            if self._until(payment, "canceled") is not None:
                self._note("canceled", payment)

    def _order(self) -> dict[str, Any]:
        return {
            "merchant_order_no": f"load-{secrets.token_hex(12)}",
            "amount": AMOUNT_MIN + secrets.randbelow(AMOUNT_MAX - AMOUNT_MIN),
            "currency": "CNY",
            "subject": "A cup of tea",
            "method": METHOD,
        }

    def _create(self, order: dict[str, Any]) -> dict[str, Any] | None:
        payment = self._send("POST", "/v1/payments", order, expect=201, name="create")
        if payment is not None:
            self._note("created", payment)
        return payment

    def _sell(self) -> dict[str, Any] | None:
        """A payment that has succeeded; None where something before went wrong (and is counted)."""
        payment = self._create(self._order())
        if payment is None:
            return None
        payment = self._until(payment, "requires_action")
        if payment is None:
            return None
        code = json.dumps({"code": payment["next_action"]["qr_code"]}).encode()
        url = self.ready["sandbox_url"] + "/payer/pay"
        if self._request("POST", url, code, None, expect=200, name="(payer pays)") is None:
            return None
        self._note("paid", payment)
        payment = self._until(payment, "succeeded")
        if payment is not None:
            self._note("succeeded", payment)
        return payment

    def _note(self, kind: str, payment: dict[str, Any]) -> None:
        number, amount = payment["merchant_order_no"], payment["amount"]
        self._acknowledged(kind, payment["id"], number, amount, payment["id"])

    def _acknowledged(
        self, kind: str, object_id: str, number: str, amount: int, payment_id: str
    ) -> None:
        self.record.acknowledged(Operation(kind, object_id, number, amount, payment_id))

    def _until(self, payment: dict[str, Any], status: str) -> dict[str, Any] | None:
        last = time.monotonic() + SETTLE_S_MAX
        while payment["status"] != status:
            if time.monotonic() > last:
                self._wrong("get", f"{payment['id']} is still {payment['status']}, not {status}")
                return None
            # Under locust this sleep gives way to the other merchants.
            time.sleep(ASK_AGAIN_S)
            asked = self._send("GET", f"/v1/payments/{payment['id']}", expect=200, name="get")
            if asked is None:
                return None
            payment = asked
        return payment

    def _send(
        self, method: str, target: str, value: object = None, *, expect: int, name: str
    ) -> dict[str, Any] | None:
        body = b"" if value is None else json.dumps(value).encode()
        header = self.account.authorization(method, target, body)
        return self._request(method, target, body, header, expect=expect, name=name)

    def _request(
        self, method: str, url: str, body: bytes, header: str | None, *, expect: int, name: str
    ) -> dict[str, Any] | None:
        """Send; the JSON of an expected answer, None for every other (counted as a failure)."""
        headers = {} if header is None else {"Authorization": header}
        if body:
            headers["Content-Type"] = "application/json"
        with self.client.request(
            method, url, data=body.decode(), headers=headers, name=name, catch_response=True
        ) as response:
            if response.status_code != expect:
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
