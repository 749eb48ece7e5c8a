"""Quick requests: what is plain goes round the parser, and nobody can tell from the answer."""

import asyncio
import json
from typing import Any

import pytest

from gateway.web.quick import Exchange
from tests.api.conftest import Api, Caller, RawAnswer, ask, request_bytes, until

PATH = "/v1/payments"
JSON = "Content-Type: application/json"
# Of no effect, but for the careful way to judge.
CAREFUL = "Forwarded: for=unknown"
CHANGING = {
    "id",
    "merchant_order_no",
    "merchant_refund_no",
    "created_at",
    "updated_at",
    "expires_at",
    "canceled_at",
    "succeeded_at",
    "next_action",
    "request_id",
    "attempt_id",
}


def raw(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Ways:
    """The same request by either way, and the proof that it was taken there."""

    def __init__(self, api: Api) -> None:
        self._api = api
        # Request ids: channels call meanwhile, and are taken too.
        self.taken: set[str] = set()

    async def quickly(self, data: bytes) -> RawAnswer:
        answer = await ask(self._api.world, data)
        assert self.is_taken(answer), "it was not taken"
        return answer

    async def carefully(self, data: bytes) -> RawAnswer:
        answer = await ask(self._api.world, data)
        assert not self.is_taken(answer), "it was taken"
        return answer

    def is_taken(self, answer: RawAnswer) -> bool:
        return answer.headers["request-id"] in self.taken

    async def alike(
        self, caller: Caller, method: str, target: str, bodies: tuple[bytes, bytes]
    ) -> RawAnswer:
        """Ask by either way, with bodies that differ in their numbers only; the quick answer."""
        plain, careful = (request_bytes(caller, method, target, each) for each in bodies)
        if method == "GET":
            kind = f"{JSON}\r\n".encode()
            plain, careful = (
                each.replace(b"Content-Length: 0\r\n", b"").replace(kind, b"")
                for each in (plain, careful)
            )
        answer = await self.quickly(plain)
        told = await self.carefully(careful.replace(b"Host:", f"{CAREFUL}\r\nHost:".encode()))
        assert comparable(answer) == comparable(told)
        assert list(json.loads(answer.body)) == list(json.loads(told.body))
        return answer


async def read_answer(reader: asyncio.StreamReader) -> RawAnswer:
    async with asyncio.timeout(20):
        line, *fields = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        headers = {}
        for field in fields:
            name, value = field.decode("ascii").split(": ", 1)
            headers[name.lower()] = value
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return RawAnswer(int(line.split()[1]), headers, body)


@pytest.fixture
def ways(api: Api, monkeypatch: pytest.MonkeyPatch) -> Ways:
    ways, lane = Ways(api), api.world.gateway.quick
    end = lane.end

    def noted(exchange: Exchange, status: int, answer: bytes) -> None:
        ways.taken.add(exchange.request_id)
        end(exchange, status, answer)

    monkeypatch.setattr(lane, "end", noted)
    return ways


def comparable(answer: RawAnswer, name: str = "pay_0") -> tuple[int, list[str], dict[str, Any]]:
    """An answer without what no two requests have in common; `name` is the payment's id."""
    members = json.loads(answer.body.replace(name.encode(), b"pay_0"))
    return answer.status, list(answer.headers), {k: members[k] for k in members.keys() - CHANGING}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"subject": "一杯咖啡 ☕ 50% off"},
        {"metadata": {"b": "2", "a": "茶", "z": ""}},
        {"metadata": {}},
        {"amount": 999_999_999_999, "currency": "JPY"},
        {"expires_in": 600, "return_url": "https://a.example/b?c=d"},
        {"notify_url": "http://127.0.0.1:9/told", "metadata": {"k": "v"}},
    ],
)
async def test_a_plain_create_is_answered_as_the_careful_way_does(
    api: Api, merchant: Caller, ways: Ways, more: dict[str, Any]
) -> None:
    first, second = raw(api.order(**more)), raw(api.order(**more))
    quick = await ways.quickly(request_bytes(merchant, "POST", PATH, first))
    careful = await ways.carefully(
        request_bytes(merchant, "POST", PATH, second, headers=(JSON, CAREFUL))
    )
    assert quick.status == 201
    assert comparable(quick) == comparable(careful)
    assert list(json.loads(quick.body)) == list(json.loads(careful.body))
    payment = json.loads(quick.body)
    assert quick.headers["location"] == f"{PATH}/{payment['id']}"
    assert (await merchant.get(f"{PATH}/{payment['id']}")).body == payment
    events = await merchant.get(f"{PATH}/{payment['id']}/timeline")
    assert [each["kind"] for each in events.body["data"]] == ["request"]


async def test_a_repeat_is_recognised_across_the_ways(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    for careful_first in (False, True):
        body = raw(api.order(metadata={"b": "1", "a": "2"}))
        turned = raw(dict(reversed(json.loads(body).items())))
        quick = request_bytes(merchant, "POST", PATH, body)
        careful = request_bytes(merchant, "POST", PATH, turned, headers=(JSON, CAREFUL))
        if careful_first:
            first, second = await ways.carefully(careful), await ways.quickly(quick)
        else:
            first, second = await ways.quickly(quick), await ways.carefully(careful)
        third = await ways.quickly(quick)
        assert [each.status for each in (first, second, third)] == [201, 200, 200]
        told = [json.loads(each.body) for each in (first, second, third)]
        assert told[0] == told[1] == told[2]
        assert (
            second.headers["idempotent-replayed"] == "true" == third.headers["idempotent-replayed"]
        )


async def test_another_content_is_a_conflict_and_never_names_the_difference(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    body = api.order()
    await ways.quickly(request_bytes(merchant, "POST", PATH, raw(body)))
    for changed in ({"amount": 101}, {"metadata": {}}, {"subject": "Tea"}):
        other = raw(body | changed)
        answer = await ways.quickly(request_bytes(merchant, "POST", PATH, other))
        assert (answer.status, answer.code) == (409, "order_no_conflict")
        assert "amount" not in json.loads(answer.body)["detail"]


@pytest.mark.parametrize("more", [{}, {"method": "alipay_qr"}])
async def test_equal_creates_at_once_make_one_payment(
    api: Api, merchant: Caller, ways: Ways, more: dict[str, Any]
) -> None:
    body = raw(api.order(**more))
    data = [request_bytes(merchant, "POST", PATH, body) for _ in range(20)]
    answers = await asyncio.gather(*(ask(api.world, each) for each in data))
    assert all(map(ways.is_taken, answers))
    assert sorted(each.status for each in answers) == [200] * 19 + [201]
    assert len({each.body for each in answers}) == 1


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"method": "alipay_qr"}, 201),
        ({"method": "alipay_qr", "metadata": {"k": "茶"}, "return_url": "https://a.example/"}, 201),
        ({"method": "alipay_qr", "method_options": {"a": "b"}, "capture_method": "automatic"}, 201),
        ({"method": "wechat_native"}, 422),
        ({"method": ""}, 400),
        ({"method": "alipay_qr", "capture_method": "manual"}, 422),
        ({"method_options": {"sms_code": "1"}}, 400),
        ({"customer": {"id": "c"}}, 201),
        ({"unknown": 1}, 400),
        ({"amount": 0}, 400),
        ({"amount": 1.5}, 400),
        ({"subject": "4111 1111 1111 1111"}, 400),
        ({"subject": "bell\x07"}, 400),
        ({"subject": "a \\ backslash"}, 201),
    ],
)
async def test_what_a_door_does_not_read_its_handler_reads(
    api: Api, merchant: Caller, ways: Ways, more: dict[str, Any], status: int
) -> None:
    bodies = raw(api.order(**more)), raw(api.order(**more))
    answer = await ways.alike(merchant, "POST", PATH, bodies)
    assert answer.status == status
    if status == 201:
        made = json.loads(answer.body)
        assert (await merchant.get(f"{PATH}/{made['id']}")).body == made
        assert answer.headers["location"] == f"{PATH}/{made['id']}"
    repeat = await ways.quickly(request_bytes(merchant, "POST", PATH, bodies[0]))
    careful = request_bytes(merchant, "POST", PATH, bodies[0], headers=(JSON, CAREFUL))
    assert comparable(repeat) == comparable(await ways.carefully(careful))
    assert repeat.status == (200 if status == 201 else status)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"a":1,"a":2}', b"\xff", b"null"])
async def test_bodies_that_nobody_can_read_are_refused_alike(
    merchant: Caller, ways: Ways, body: bytes
) -> None:
    answer = await ways.alike(merchant, "POST", PATH, (body, body))
    assert (answer.status, answer.code) == (400, "malformed_request")


async def test_a_create_with_a_method_is_carried_out_whoever_hangs_up(
    api: Api, merchant: Caller
) -> None:
    body = api.order(method="alipay_qr")
    port = api.world.gateway.server.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_bytes(merchant, "POST", PATH, raw(body)))
    await writer.drain()
    writer.transport.abort()

    async def is_shown() -> bool:
        found = await merchant.get(f"{PATH}?merchant_order_no={body['merchant_order_no']}")
        return found.status == 200 and found.body["status"] == "requires_action"

    await until(is_shown, seconds=10)
    await until_quiet(api)


async def test_the_rest_of_a_payments_life_is_alike(api: Api, merchant: Caller, ways: Ways) -> None:
    made = [(await merchant.post(PATH, api.order())).body["id"] for _ in range(2)]
    paid = [(await api.paid())["id"] for _ in range(2)]

    async def both(target: str, body: dict[str, Any]) -> RawAnswer:
        """The same with two payments of one kind: here quickly, there carefully."""
        answers = []
        for payment_id, ask_by in zip(made, (ways.quickly, ways.carefully), strict=True):
            headers = (JSON,) if ask_by == ways.quickly else (JSON, CAREFUL)
            path = f"{PATH}/{payment_id}{target}"
            answers.append(
                await ask_by(request_bytes(merchant, "POST", path, raw(body), headers=headers))
            )
        assert comparable(answers[0], made[0]) == comparable(answers[1], made[1])
        return answers[0]

    assert (await both("/confirm", {"method": "nothing"})).code == "unsupported_method"
    assert (await both("/confirm", {"method": "alipay_qr", "version": 9})).code == "stale_version"
    assert (await both("/confirm", {"method": "alipay_qr"})).status == 200
    assert (await both("/cancel", {"reason": "bell\x07"})).code == "invalid_field"
    assert (await both("/cancel", {})).status == 200
    assert (await both("/confirm", {"method": "alipay_qr"})).code == "invalid_state"

    def refund(place: int, amount: int) -> bytes:
        number = {"merchant_refund_no": api.number(), "payment_id": paid[place]}
        return raw(number | {"amount": amount})

    for amount, status in ((40, 201), (100, 422), (0, 400)):
        answers = [
            await ways.quickly(request_bytes(merchant, "POST", "/v1/refunds", refund(0, amount))),
            await ways.carefully(
                request_bytes(
                    merchant, "POST", "/v1/refunds", refund(1, amount), headers=(JSON, CAREFUL)
                )
            ),
        ]
        assert answers[0].status == status, answers[0]
        assert comparable(answers[0], paid[0]) == comparable(answers[1], paid[1])
    for target in (f"{PATH}/{paid[0]}?refresh=channel", f"{PATH}/{paid[0]}/timeline"):
        await ways.alike(merchant, "GET", target, (b"", b""))


async def test_lists_go_the_careful_way(api: Api, merchant: Caller, ways: Ways) -> None:
    """Their handlers ask a header whether a kept answer will do."""
    for target in (f"{PATH}?limit=3", "/v1/refunds?limit=1"):
        answer = await ways.carefully(request_bytes(merchant, "GET", target))
        assert answer.status == 200


@pytest.mark.parametrize(
    "more",
    [
        {"expires_in": 59},
        {"notify_url": "http://a.example/"},
        {"currency": "XXX"},
    ],
)
async def test_what_is_in_doubt_goes_the_careful_way(
    api: Api, merchant: Caller, ways: Ways, more: dict[str, Any]
) -> None:
    body = json.dumps(api.order(**more)).encode()
    await ways.carefully(request_bytes(merchant, "POST", PATH, body))


async def test_other_routes_and_what_they_do_not_read_are_for_the_careful(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    made = (await merchant.post(PATH, api.order())).body["id"]
    for method, target, body, status in (
        ("GET", "/v1/balance", b"", 200),
        ("POST", f"{PATH}?a=b", raw(api.order()), 400),
        ("POST", f"{PATH}/{made}/confirm?a=b", b"{}", 400),
        ("POST", f"{PATH}/{made}/nothing", b"{}", 404),
        ("POST", f"{PATH}/{made}/cancel", b"", 200),
    ):
        headers = () if method == "GET" else (JSON,)
        data = request_bytes(merchant, method, target, body, headers=headers)
        assert (await ways.carefully(data)).status == status


async def test_a_wrong_signature_is_refused_by_the_careful_way(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    data = bytearray(request_bytes(merchant, "POST", PATH, raw(api.order())))
    data[-2] ^= 1
    async with api.no_effect():
        answer = await ways.carefully(bytes(data))
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_a_key_without_the_scope_is_refused_by_the_careful_way(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    reader = await api.new_key(merchant.mch, ["payments.read"])
    answer = await ways.carefully(request_bytes(reader, "POST", PATH, raw(api.order())))
    assert (answer.status, answer.code) == (403, "forbidden_scope")


async def test_a_plain_get_is_answered_as_the_careful_way_does(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    paid = await api.paid()
    new = (await merchant.post(PATH, api.order(metadata={"k": "茶"}))).body
    for payment in (new, paid):
        target = f"{PATH}/{payment['id']}"
        plain = request_bytes(merchant, "GET", target, headers=()).replace(
            b"Content-Length: 0\r\n", b""
        )
        careful = plain.replace(b"Host:", f"{CAREFUL}\r\nHost:".encode())
        quick_answer, careful_answer = await ways.quickly(plain), await ways.carefully(careful)
        assert quick_answer.status == careful_answer.status == 200
        assert quick_answer.body == careful_answer.body
        assert list(quick_answer.headers) == list(careful_answer.headers)


async def test_a_get_of_what_has_moved_since_its_event_is_as_it_is_now(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    paid = await api.paid(100)
    refund = {"payment_id": paid["id"], "merchant_refund_no": api.number(), "amount": 40}
    assert (await merchant.post("/v1/refunds", refund)).status == 201
    data = request_bytes(merchant, "GET", f"{PATH}/{paid['id']}", headers=()).replace(
        b"Content-Length: 0\r\n", b""
    )
    answer = await ways.quickly(data)
    members = json.loads(answer.body)
    assert members["amount_refunded"] + members["amount_refund_pending"] == 40


async def test_a_get_of_a_payment_with_a_customer_tells_the_customer(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    made = (await merchant.post(PATH, api.order(customer={"id": api.number()}))).body
    data = request_bytes(merchant, "GET", f"{PATH}/{made['id']}", headers=()).replace(
        b"Content-Length: 0\r\n", b""
    )
    assert json.loads((await ways.quickly(data)).body) == made


async def test_a_get_of_anothers_payment_finds_nothing(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    made = (await merchant.post(PATH, api.order())).body
    stranger = await api.new_merchant()
    target = f"{PATH}/{made['id']}"
    data = request_bytes(stranger, "GET", target, headers=()).replace(b"Content-Length: 0\r\n", b"")
    answer = await ways.quickly(data)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_requests_sent_without_waiting_are_answered_in_their_order(
    api: Api, merchant: Caller
) -> None:
    bodies = [api.order() for _ in range(6)]
    data = [request_bytes(merchant, "POST", PATH, raw(each)) for each in bodies]
    port = api.world.gateway.server.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for each in (data[0], data[1], data[2] + data[3], data[4][:40]):
        writer.write(each)
        await asyncio.sleep(0)
    writer.write(data[4][40:])
    answers = [await read_answer(reader) for _ in range(5)]
    writer.write(data[5])
    answers.append(await read_answer(reader))
    writer.close()
    told = [json.loads(each.body)["merchant_order_no"] for each in answers]
    assert told == [each["merchant_order_no"] for each in bodies]


async def test_a_client_that_hangs_up_cancels_nothing(api: Api, merchant: Caller) -> None:
    body = api.order()
    port = api.world.gateway.server.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_bytes(merchant, "POST", PATH, raw(body)))
    await writer.drain()
    writer.transport.abort()

    async def is_there() -> bool:
        found = await merchant.get(f"{PATH}?merchant_order_no={body['merchant_order_no']}")
        return found.status == 200

    await until(is_there, seconds=10)
    await until_quiet(api)


async def test_a_client_that_says_no_more_is_answered(api: Api, merchant: Caller) -> None:
    port = api.world.gateway.server.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    await read_answer(reader)
    writer.write(request_bytes(merchant, "POST", PATH, raw(api.order())))
    writer.write_eof()
    assert (await read_answer(reader)).status == 201
    assert await reader.read() == b""
    writer.close()


async def until_quiet(api: Api) -> None:
    async def is_quiet() -> bool:
        return api.world.gateway.quick.in_flight == 0

    await until(is_quiet, seconds=10)


async def test_a_connection_may_change_between_the_ways(
    api: Api, merchant: Caller, ways: Ways
) -> None:
    port = api.world.gateway.server.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    for headers in ((JSON, CAREFUL), (JSON,), (JSON, CAREFUL), (JSON,), (JSON,)):
        body = raw(api.order())
        writer.write(request_bytes(merchant, "POST", PATH, body, headers=headers))
        answer = await read_answer(reader)
        assert answer.status == 201
        taken.append(ways.is_taken(answer))
    assert taken == [False, True, False, True, True]
    writer.close()
