"""Money by bank transfer: whole, in parts, too much, late, twice, for nobody; told and booked."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.center.onboard import AccountWanted
from gateway.channels.codec import HandedOut
from tests.world import PUBLIC_PEM, World

CREDENTIALS = {
    "account": "6222 0000 1234 5678",
    "account_name": "Tea Ltd",
    "bank": "Pretend Bank",
    "bank_code": "PBNKCNBJ",
}
CSV = {"Content-Type": "text/csv"}
HEADER = "account,booked_on,direction,amount,currency,bank_reference,end_to_end,text\n"


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def statement(*lines: tuple, account: str = CREDENTIALS["account"]) -> bytes:
    """Lines are (bank reference, fen, text) of credits, or of debits with a negative sum."""
    rows, credits, debits = [], 0, 0
    for reference, fen, text, *more in lines:
        way = "credit" if fen > 0 else "debit"
        credits, debits = credits + max(fen, 0), debits + max(-fen, 0)
        end_to_end = more[0] if more else ""
        rows.append(
            f'{account},2026-11-22,{way},{yuan(abs(fen))},CNY,{reference},{end_to_end},"{text}"\n'
        )
    total = f"TOTAL,{len(lines)},{yuan(credits)},{yuan(debits)}\n"
    return (HEADER + "".join(rows) + total).encode()


async def registered(world: World, channel: str, credentials: dict[str, str]) -> str:
    """A registration of the world's merchant at a channel with one method of its name."""
    prints = world.core.directory.fingerprints
    numbered = prints.numbered("create_account", "/a", {}, world.core.ids.request_id())
    account, _ = await world.core.onboard.create_account(
        world.merchant.mch,
        AccountWanted(channel=channel, methods=[channel], credentials=credentials),
        numbered,
        actor="test",
        request_id=None,
    )
    return account.id


class Bank:
    """The hands of a merchant with a bank account, and of staff that imports statements."""

    def __init__(self, world: World, account_id: str, admin) -> None:
        self.world = world
        self.account_id = account_id
        self.admin = admin
        self.number = ""
        self.headers: dict[str, str] = {}

    async def order(self, number: str, amount: int = 10_000, **more):
        answer = await self.world.merchant.post(
            "/v1/payments",
            {
                "merchant_order_no": number,
                "amount": amount,
                "currency": "CNY",
                "subject": "tea",
                "method": "bank_transfer",
                **more,
            },
        )
        assert answer.status == 201, answer
        return answer.body

    async def take(self, *lines: tuple):
        return await self.take_file(statement(*lines))

    async def take_file(self, content: bytes):
        path = f"/admin/v1/channel_accounts/{self.account_id}/statements"
        answer = await self.admin.post(path, content, headers=CSV)
        assert answer.status == 200, answer
        return answer.body

    async def suspense(self) -> int:
        return await self.balance("suspense")

    async def balance(self, code: str) -> int:
        rows = await self.world.sql(
            "select coalesce(sum(balance), 0)::bigint as sum from accounts where code like $1",
            f"{code}%",
        )
        return rows[0]["sum"]

    async def funds(self) -> list[tuple[str, int]]:
        rows = await self.world.sql(
            "select cause, amount from unexpected_funds order by unexpected_funds_id"
        )
        return [(row["cause"], row["amount"]) for row in rows]


@pytest.fixture
async def bank(world: World) -> Bank:
    account_id = await registered(world, "bank_transfer", CREDENTIALS)
    return Bank(world, account_id, await world.admin())


async def test_an_exact_transfer_pays_and_the_same_file_again_does_nothing(bank: Bank) -> None:
    order = await bank.order("B-1")
    assert order["status"] == "requires_action"
    action = order["next_action"]
    assert action["type"] == "bank_transfer" and action["account"] == "6222000012345678"
    assert order["channel_order_no"] == action["reference"]
    text = action["reference"].lower()
    line = ("B1", 10_000, f"invoice {text[:5]} {text[5:]} thanks")
    done = await bank.take(line)
    assert done["verdicts"] == {"paid": 1}
    assert done["data"][0]["payment_id"] == order["id"]
    paid = await bank.world.payment(order["id"])
    assert paid["status"] == "succeeded" and paid["amount_received"] == 10_000
    assert (await bank.take(line))["verdicts"] == {"repeated": 1}
    again = await bank.world.payment(order["id"])
    assert again["version"] == paid["version"]
    assert await bank.balance("clearing") == 10_000 and await bank.suspense() == 0
    found = await bank.world.merchant.get(f"/v1/payments?channel_order_no={action['reference']}")
    assert found.body["id"] == order["id"]


async def test_parts_wait_in_suspense_until_the_sum_is_whole(bank: Bank) -> None:
    order = await bank.order("B-1")
    text = order["next_action"]["reference"]
    assert (await bank.take(("B1", 3_000, text)))["verdicts"] == {"part": 1}
    waiting = await bank.world.payment(order["id"])
    assert waiting["status"] == "requires_action" and waiting["amount_received"] == 3_000
    assert await bank.suspense() == 3_000
    done = await bank.take(("B1", 3_000, text), ("B2", 2_000, text), ("B3", 5_000, text))
    assert done["verdicts"] == {"repeated": 1, "part": 1, "paid": 1}
    paid = await bank.world.payment(order["id"])
    assert paid["status"] == "succeeded" and paid["amount_captured"] == 10_000
    assert await bank.suspense() == 0 and await bank.balance("clearing") == 10_000


async def test_more_than_the_sum_pays_and_the_rest_is_unexpected(bank: Bank) -> None:
    order = await bank.order("B-1")
    text = order["next_action"]["reference"]
    done = await bank.take(("B1", 4_000, text), ("B2", 7_000, text))
    assert done["verdicts"] == {"part": 1, "over": 1}
    paid = await bank.world.payment(order["id"])
    assert paid["status"] == "succeeded" and paid["amount_received"] == 10_000
    assert await bank.funds() == [("over", 1_000)]
    assert await bank.suspense() == 1_000 and await bank.balance("clearing") == 11_000
    events = (await bank.world.merchant.get("/v1/events")).body["data"]
    told = [each["type"] for each in events if each["object_id"] == order["id"]]
    assert told == [
        "payment.created",
        "payment.requires_action",
        "payment.partially_received",
        "payment.succeeded",
        "payment.unexpected_funds",
    ]


async def test_late_double_and_unknown_money_lies_in_suspense(bank: Bank) -> None:
    paid, late = await bank.order("B-1"), await bank.order("B-2", 500)
    text = paid["next_action"]["reference"]
    canceled = await bank.world.merchant.post(f"/v1/payments/{late['id']}/cancel")
    assert canceled.body["status"] == "canceled"
    done = await bank.take(
        ("B1", 10_000, text),
        ("B2", 10_000, text),
        ("B3", 500, late["next_action"]["reference"]),
        ("B4", 77, "nobody knows"),
        ("B5", 88, text + " " + late["next_action"]["reference"]),
        ("B6", -40, "bank charges"),
    )
    assert done["verdicts"] == {
        "paid": 1,
        "duplicate": 1,
        "late": 1,
        "unmatched": 2,
        "other": 1,
    }
    assert sorted(await bank.funds()) == [
        ("duplicate", 10_000),
        ("late", 500),
        ("unmatched", 77),
        ("unmatched", 88),
    ]
    assert await bank.suspense() == 10_665
    events = (await bank.world.merchant.get("/v1/events?types=unexpected_funds.detected")).body
    assert [each["data"]["amount"] for each in events["data"]] == [77, 88]


async def test_parts_of_a_payment_that_ends_are_unexpected(bank: Bank) -> None:
    order = await bank.order("B-1")
    text = order["next_action"]["reference"]
    await bank.take(("B1", 3_000, text))
    ended = await bank.world.merchant.post(f"/v1/payments/{order['id']}/cancel")
    assert ended.body["status"] == "canceled" and ended.body["amount_received"] == 3_000
    assert await bank.funds() == [("partial", 3_000)]
    assert (await bank.take(("B2", 7_000, text)))["verdicts"] == {"late": 1}
    assert await bank.suspense() == 10_000


async def test_another_way_leaves_the_parts_behind(bank: Bank) -> None:
    order = await bank.order("B-1", 100)
    await bank.take(("B1", 30, order["next_action"]["reference"]))
    path = f"/v1/payments/{order['id']}/confirm"
    other = await bank.world.merchant.post(path, {"method": "alipay_qr"})
    assert other.status == 200 and other.body["amount_received"] == 0
    await bank.world.scan(other.body["next_action"]["qr_code"])
    paid = await bank.world.until(order["id"], "succeeded")
    assert paid["amount_captured"] == 100
    assert await bank.funds() == [("partial", 30)]


async def test_one_key_with_two_sums_is_a_conflict_and_books_nothing(bank: Bank) -> None:
    order = await bank.order("B-1")
    text = order["next_action"]["reference"]
    await bank.take(("B1", 3_000, text))
    assert (await bank.take(("B1", 7_000, text)))["verdicts"] == {"conflict": 1}
    assert (await bank.world.payment(order["id"]))["amount_received"] == 3_000


async def test_a_debit_with_the_refunds_number_says_that_it_is_done(bank: Bank) -> None:
    order = await bank.order("B-1")
    await bank.take(("B1", 10_000, order["next_action"]["reference"]))
    asked = {"payment_id": order["id"], "merchant_refund_no": "R-1", "amount": 4_000}
    refund = (await bank.world.merchant.post("/v1/refunds", asked)).body
    assert refund["status"] == "processing"
    number = refund["id"].removeprefix("rfd_")
    assert (await bank.take(("B2", -3_999, "", number)))["verdicts"] == {"other": 1}
    assert (await bank.take(("B3", -4_000, "", number)))["verdicts"] == {"refund": 1}
    found = (await bank.world.merchant.get(f"/v1/refunds/{refund['id']}")).body
    assert found["status"] == "succeeded"
    assert (await bank.take(("B4", -4_000, "", number)))["verdicts"] == {"other": 1}
    assert await bank.balance("clearing") == 6_000


async def test_a_file_that_is_not_whole_books_nothing(bank: Bank) -> None:
    order = await bank.order("B-1")
    whole = statement(("B1", 10_000, order["next_action"]["reference"]))
    path = f"/admin/v1/channel_accounts/{bank.account_id}/statements"
    for content in (
        whole.rsplit(b"TOTAL", 1)[0],
        whole.replace(b"6222", b"6223"),
        b"<a/>",
        b"\xff",
    ):
        answer = await bank.admin.post(path, content, headers=CSV)
        assert (answer.status, answer.body["code"]) == (422, "statement_malformed"), content
    assert await bank.world.sql("select 1 from statement_lines") == []
    other = f"/admin/v1/channel_accounts/{bank.world.account_id}/statements"
    answer = await bank.admin.post(other, whole, headers=CSV)
    assert (answer.status, answer.body["code"]) == (409, "invalid_state")
    merchant = await bank.world.merchant.post(path, whole, headers=CSV)
    assert merchant.status == 403


# --- a bank that can be asked ---------------------------------------------------------------------


@pytest.fixture
async def asked(world: World) -> Bank:
    """An account at the pretend bank, whose statements we may fetch."""
    wanted = {"channel": "bank_transfer", "merchant_public_key": PUBLIC_PEM}
    async with world.session.post(world.sandbox.url + "/accounts", json=wanted) as answer:
        opened = await answer.json()
    names = ("account", "account_name", "bank", "bank_code", "currency", "statement_token")
    account_id = await registered(world, "bank_transfer", {name: opened[name] for name in names})
    bank = Bank(world, account_id, await world.admin())
    bank.number, bank.headers = (
        opened["account"],
        {"Authorization": f"Bearer {opened['statement_token']}"},
    )
    return bank


async def fetched(bank: Bank, form: str = "camt.053") -> bytes:
    today = datetime.now(UTC)
    days = f"from={today - timedelta(days=1):%Y-%m-%d}&to={today + timedelta(days=1):%Y-%m-%d}"
    url = f"{bank.world.sandbox.url}/bank/accounts/{bank.number}/statement?{days}&form={form}"
    async with bank.world.session.get(url, headers=bank.headers) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_asking_the_bank_finds_an_exact_sum_and_the_statement_confirms_it(asked) -> None:
    order = await asked.order("B-1")
    text = order["next_action"]["reference"]
    path = f"/v1/payments/{order['id']}?refresh=channel"
    assert (await asked.world.merchant.get(path)).body["status"] == "requires_action"
    await asked.world.scan(text, amount=4_000)
    assert (await asked.world.merchant.get(path)).body["status"] == "requires_action"
    await asked.world.scan(text.lower(), amount=6_000)
    assert (await asked.world.merchant.get(path)).body["status"] == "succeeded"
    assert await asked.balance("clearing") == 10_000
    await asked.world.scan(text, amount=10_000)
    done = await asked.take_file(await fetched(asked))
    assert done["verdicts"] == {"confirmed": 2, "duplicate": 1}
    again = await asked.take_file(await fetched(asked, "columns"))
    assert again["verdicts"] == {"repeated": 3}
    assert await asked.balance("clearing") == 20_000 and await asked.suspense() == 10_000


async def test_a_part_that_was_imported_counts_once_when_the_bank_says_all(asked) -> None:
    order = await asked.order("B-1")
    text = order["next_action"]["reference"]
    await asked.world.scan(text, amount=4_000)
    assert (await asked.take_file(await fetched(asked)))["verdicts"] == {"part": 1}
    await asked.world.scan(text, amount=6_000)
    path = f"/v1/payments/{order['id']}?refresh=channel"
    assert (await asked.world.merchant.get(path)).body["status"] == "succeeded"
    assert await asked.suspense() == 0 and await asked.balance("clearing") == 10_000
    done = await asked.take_file(await fetched(asked))
    assert done["verdicts"] == {"repeated": 1, "confirmed": 1}
    assert await asked.balance("clearing") == 10_000


@pytest.mark.parametrize("fault", ["error", "wrong_amount", "drop_after_effect"])
async def test_a_bank_that_answers_badly_pays_nothing(asked: Bank, fault: str) -> None:
    order = await asked.order("B-1")
    await asked.world.scan(order["next_action"]["reference"], amount=10_000)
    body = {"channel": "bank_transfer", "operation": "statement", "fault": fault, "times": 9}
    async with asked.world.session.post(asked.world.sandbox.url + "/faults", json=body) as answer:
        assert answer.status == 200
    path = f"/v1/payments/{order['id']}?refresh=channel"
    assert (await asked.world.merchant.get(path)).body["status"] == "requires_action"
    assert await asked.world.sql("select 1 from entries") == []


async def test_two_attempts_with_one_reference_are_not_confused(bank: Bank) -> None:
    """A collision is made by hand: the second order gets another try instead of another's money."""
    first = await bank.order("B-1")
    number = first["channel_order_no"]
    second = await bank.world.merchant.post(
        "/v1/payments",
        {"merchant_order_no": "B-2", "amount": 5, "currency": "CNY", "subject": "tea"},
    )
    core = bank.world.core
    payment = await core.reader.payment(bank.world.merchant.mch, second.body["id"])
    account = await core.orders.account(bank.world.merchant.mch, "bank_transfer")
    attempt = core.orders.attempt(
        bank.world.merchant.mch,
        payment.id,
        account,
        number=1,
        method="bank_transfer",
        method_options={},
        amount=5,
        currency="CNY",
        expires_at=payment.expires_at,
    )
    change = core.pay._confirm_change(payment, attempt, actor="test", request_id="req_x")
    await core.shards.submit(change)
    same = HandedOut(next_action={"type": "bank_transfer"}, channel_order_no=number)
    change = core.concluder.payment_change(attempt, same, actor="test", request_id=None)
    told = (await core.shards.submit(change)).result
    assert told.status == "requires_payment_method" and told.error["code"] == "channel_busy"
