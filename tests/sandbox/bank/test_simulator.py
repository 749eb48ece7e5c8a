"""The pretend bank: whoever pays, what it books, what it tells whom, and what it does wrong."""

import csv
import io
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from defusedxml.ElementTree import fromstring

from gateway.sandbox.bank import magic
from tests.sandbox.conftest import StandingClock, pem_of

REFERENCE = "7Z9ZBN81YZ8"
NS = "{urn:iso:std:iso:20022:tech:xsd:camt.053.001.08}"
STATUS_NS = "{urn:iso:std:iso:20022:tech:xsd:pain.002.001.10}"


class Owner:
    """Who owns an account: reads statements, sends payout files."""

    def __init__(self, account: dict[str, Any], http: Any) -> None:
        self.account = account
        self.http = http
        self.headers = {"Authorization": f"Bearer {account['statement_token']}"}

    @property
    def url(self) -> str:
        return f"{self.account['gateway_url']}/accounts/{self.account['account']}"

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(self.url + path, headers=headers or self.headers) as answer:
            return answer.status, await answer.text()

    async def post(self, content: str) -> tuple[int, str]:
        url = self.url + "/payouts"
        async with self.http.post(url, data=content.encode(), headers=self.headers) as answer:
            return answer.status, await answer.text()

    async def statement(self, first: str = "2026-11-22", last: str = "2026-11-22") -> Any:
        status, text = await self.get(f"/statement?from={first}&to={last}")
        assert status == 200, text
        return fromstring(text)


def texts(root: Any, name: str, ns: str = NS) -> list[str]:
    return [each.text for each in root.iter(ns + name)]


def sums(root: Any) -> list[str]:
    return [entry.find(NS + "Amt").text for entry in root.iter(NS + "Ntry")]


@pytest.fixture
async def owner(control: Any, merchant_key: Any, http: Any) -> Owner:
    wanted = {"channel": "bank_transfer", "merchant_public_key": pem_of(merchant_key)}
    status, account = await control("POST", "/accounts", wanted)
    assert status == 200
    again = await control("POST", "/accounts", wanted)
    assert again == (200, account)
    return Owner(account, http)


@pytest.fixture
def transfer(control: Any) -> Any:
    async def transfer(code: str, amount: int | None, behaviour: str = "pay") -> tuple[int, Any]:
        body = {"code": code, "behaviour": behaviour} | ({"amount": amount} if amount else {})
        return await control("POST", "/payer/pay", body)

    return transfer


async def test_a_transfer_is_in_the_statement_of_its_day(owner: Owner, transfer: Any) -> None:
    status, played = await transfer(REFERENCE, 8_880)
    assert status == 200 and played["result"] == "paid"
    root = await owner.statement()
    assert texts(root, "AcctSvcrRef") == [played["channel_order_no"]]
    assert texts(root, "Ustrd") == [REFERENCE] and texts(root, "BookgDt") is not None
    assert sums(root) == ["88.80"]
    amounts = [each.find(NS + "Amt").text for each in root.iter(NS + "Bal")]
    assert amounts == ["0.00", "88.80"]
    later = await owner.statement("2026-11-23", "2026-11-24")
    assert [each.find(NS + "Amt").text for each in later.iter(NS + "Bal")] == ["88.80", "88.80"]
    assert sums(later) == []


async def test_any_sum_any_text_and_virtual_accounts(owner: Owner, transfer: Any, control) -> None:
    number, virtual = owner.account["account"], owner.account["virtual_prefix"] + "12345678"
    for code, amount in (
        (f"{number} anything & <all>", 1),
        (virtual, 2),
        (f"{virtual[:4]} {virtual[4:]}", 3),
        ("RF18 5390 0754 7034", 4),
        (REFERENCE.lower(), 5),
    ):
        assert (await transfer(code, amount))[0] == 200, code
    root = await owner.statement()
    assert sums(root) == ["0.01", "0.02", "0.03", "0.04", "0.05"]
    assert texts(root, "Ustrd") == ["anything & <all>", "RF18 5390 0754 7034", REFERENCE.lower()]
    status, book = await control("GET", "/book/bank_transfer")
    assert status == 200
    credited = [each["credited"] for each in book["movements"]]
    assert credited == ["", virtual, virtual, "", ""]


async def test_who_pays_nothing_books_nothing(owner: Owner, transfer: Any) -> None:
    assert (await transfer(REFERENCE, 5, "decline"))[1]["result"] == "declined"
    assert (await transfer(REFERENCE, 5, "ignore"))[1]["result"] == "ignored"
    status, refused = await transfer(REFERENCE, None)
    assert (status, refused["code"]) == (400, "missing_amount")
    assert sums(await owner.statement()) == []


@pytest.mark.parametrize("code", ["https://qr.example/1", "123", "999999999999", "7Z9ZBN81YZ8X"])
async def test_codes_that_are_nothing_here(owner: Owner, transfer: Any, code: str) -> None:
    assert (await transfer(code, 5))[0] == 404


async def test_a_reference_alone_is_for_the_only_account(owner, control, transfer, http) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wanted = {"channel": "bank_transfer", "merchant_public_key": pem_of(key)}
    _, second = await control("POST", "/accounts", wanted)
    assert second["account"] != owner.account["account"]
    assert (await transfer(REFERENCE, 5))[0] == 404
    assert (await transfer(f"{second['account']} {REFERENCE}", 5))[0] == 200
    assert sums(await Owner(second, http).statement()) == ["0.05"]
    assert sums(await owner.statement()) == []


async def test_only_the_token_opens_the_account(owner: Owner, control: Any) -> None:
    days = "/statement?from=2026-11-22&to=2026-11-22"
    for header in ("", "Bearer x", owner.headers["Authorization"] + "x"):
        assert (await owner.get(days, Authorization=header))[0] == 401
    owner.account["account"] = "6222000000000000"
    assert (await owner.get(days))[0] == 401


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?from=2026-11-22",
        "?from=a&to=b",
        "?from=2026-11-22&to=2026-11-21",
        "?from=2024-11-22&to=2026-11-21",
        "?from=2026-11-22&to=2026-11-22&form=pdf",
    ],
)
async def test_days_must_be_days(owner: Owner, query: str) -> None:
    assert (await owner.get("/statement" + query))[0] == 400


async def test_columns_come_to_their_totals(owner: Owner, transfer: Any) -> None:
    await transfer(f'{owner.account["account"]} say "hi", {REFERENCE}', 8_880)
    _, text = await owner.get("/statement?from=2026-11-22&to=2026-11-22&form=columns")
    header, line, total = list(csv.reader(io.StringIO(text)))
    assert line[header.index("text")] == f'say "hi", {REFERENCE}'
    assert total == ["TOTAL", "1", "88.80", "0.00"]


async def test_magic_amounts_of_transfers(owner: Owner, transfer: Any, clock) -> None:
    for amount in (magic.TEXT_LOST_FEN, magic.TEXT_MANGLED_FEN, magic.SPLIT_FEN):
        assert (await transfer(REFERENCE, amount))[1]["result"] == "paid"
    assert (await transfer(REFERENCE, magic.PENDING_FEN))[1]["result"] == "pending"
    root = await owner.statement()
    assert sums(root) == ["44401.01", "44401.02", "22200.51", "22200.52", "44401.04"]
    assert texts(root, "Ustrd")[0] == "7z9z bn8l yz8"
    assert texts(root, "Cd").count("PDNG") == 1
    clock.advance(days=1)
    assert "PDNG" not in texts(await owner.statement("2026-11-23", "2026-11-23"), "Cd")


def payout(owner: Owner, *transfers: tuple[str, int], file_no: str = "F-1", **changes: str) -> str:
    total = sum(amount for _, amount in transfers)
    counted = (
        f"<NbOfTxs>{len(transfers)}</NbOfTxs><CtrlSum>{total // 100}.{total % 100:02d}</CtrlSum>"
    )
    parts = "".join(
        f"<CdtTrfTxInf><PmtId><EndToEndId>{number}</EndToEndId></PmtId>"
        f'<Amt><InstdAmt Ccy="CNY">{amount // 100}.{amount % 100:02d}</InstdAmt></Amt>'
        "<CdtrAgt><FinInstnId><BICFI>OTHRCNBJ</BICFI></FinInstnId></CdtrAgt>"
        "<Cdtr><Nm>Li</Nm></Cdtr><CdtrAcct><Id><Othr><Id>6333</Id></Othr></Id></CdtrAcct>"
        "</CdtTrfTxInf>"
        for number, amount in transfers
    )
    text = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>'
        f"<GrpHdr><MsgId>{file_no}</MsgId><CreDtTm>2026-11-22T12:00:00Z</CreDtTm>{counted}"
        "<InitgPty><Nm>Shop</Nm></InitgPty></GrpHdr>"
        f"<PmtInf><PmtInfId>{file_no}</PmtInfId><PmtMtd>TRF</PmtMtd>{counted}"
        "<ReqdExctnDt><Dt>2026-11-22</Dt></ReqdExctnDt><Dbtr><Nm>Shop</Nm></Dbtr>"
        f"<DbtrAcct><Id><Othr><Id>{owner.account['account']}</Id></Othr></Id></DbtrAcct>"
        "<DbtrAgt><FinInstnId><BICFI>TILLCNBJ</BICFI></FinInstnId></DbtrAgt>"
        f"{parts}</PmtInf></CstmrCdtTrfInitn></Document>"
    )
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


async def test_a_payout_is_carried_out_once_and_answered(owner: Owner) -> None:
    file = payout(owner, ("p1", 500), ("p2", magic.PAYOUT_REJECTED_FEN))
    status, text = await owner.post(file)
    assert status == 200
    assert texts(fromstring(text), "TxSts", STATUS_NS) == ["ACSC", "RJCT"]
    assert await owner.post(file) == (status, text)
    assert (await owner.get("/payouts/F-1")) == (status, text)
    assert (await owner.get("/payouts/F-2"))[0] == 404
    root = await owner.statement()
    assert sums(root) == ["5.00"] and texts(root, "EndToEndId") == ["p1"]
    assert (await owner.post(payout(owner, ("p3", 500))))[0] == 422, "other content, same number"
    assert (await owner.post(payout(owner, ("p1", 500), file_no="F-2")))[0] == 422
    assert sums(await owner.statement()) == ["5.00"]


async def test_pending_and_returned_payouts(owner: Owner, clock: StandingClock) -> None:
    file = payout(owner, ("p1", magic.PAYOUT_PENDING_FEN), ("p2", magic.PAYOUT_RETURNED_FEN))
    _, text = await owner.post(file)
    assert texts(fromstring(text), "TxSts", STATUS_NS) == ["PDNG", "ACSC"]
    clock.advance(days=1, seconds=1)
    root = await owner.statement("2026-11-22", "2026-11-23")
    assert sums(root) == ["44401.13", "44401.13"]
    ways = [entry.find(NS + "CdtDbtInd").text for entry in root.iter(NS + "Ntry")]
    assert ways == ["DBIT", "CRDT"] and texts(root, "RtrInf") != []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pain.001.001.09", "pain.001.001.03"),
        ("<NbOfTxs>1<", "<NbOfTxs>2<"),
        ("<CtrlSum>5.00<", "<CtrlSum>5.01<"),
        ("<PmtMtd>TRF<", "<PmtMtd>CHK<"),
        ('Ccy="CNY"', 'Ccy="EUR"'),
        (">5.00</InstdAmt>", ">5</InstdAmt>"),
        ("<EndToEndId>p1<", "<EndToEndId>p 1<"),
        ("<Cdtr><Nm>Li</Nm></Cdtr>", ""),
        ("<Othr><Id>6222", "<Othr><Id>6223"),
        ("<PmtMtd>TRF</PmtMtd>", "<Colour>red</Colour><PmtMtd>TRF</PmtMtd>"),
        (
            "<PmtInfId>F-1</PmtInfId><PmtMtd>TRF</PmtMtd>",
            "<PmtMtd>TRF</PmtMtd><PmtInfId>F-1</PmtInfId>",
        ),
        ("<MsgId>F-1<", "<MsgId><"),
    ],
)
async def test_a_file_that_is_not_wholly_right_sends_nothing(owner, old: str, new: str) -> None:
    right = payout(owner, ("p1", 500))
    assert old in right
    assert (await owner.post(right.replace(old, new)))[0] == 422
    assert sums(await owner.statement()) == []


async def test_faults_of_statements(owner: Owner, transfer: Any, control: Any) -> None:
    await transfer(REFERENCE, 100)

    async def arm(operation: str, fault: str) -> int:
        body = {"channel": "bank_transfer", "operation": operation, "fault": fault}
        return (await control("POST", "/faults", body))[0]

    assert await arm("statement", "bad_signature") == 400
    days = "/statement?from=2026-11-22&to=2026-11-22"
    assert await arm("statement", "error") == 200
    assert (await owner.get(days))[0] == 500
    await arm("statement", "wrong_amount")
    assert sums(await owner.statement()) == ["1.01"]
    assert sums(await owner.statement()) == ["1.00"]
    await arm("payout", "drop_after_effect")
    with pytest.raises(aiohttp.ClientError):
        await owner.post(payout(owner, ("p1", 500)))
    assert (await owner.get("/payouts/F-1"))[0] == 200, "it took effect"
