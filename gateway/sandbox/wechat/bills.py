"""Bills of the pretend WeChat Pay: a day's orders and movements, written from its book.

Law: a bill is of one day in Beijing, ready at 10:00 of the next, for three months, and never
changes what it says of money. Every value begins with a backtick; amounts are yuan; fees (0.60 %,
whole fen) are printed with five decimals. The file is GZIP, unsigned, and lies behind a URL that is
good for five minutes; its hash is that of the text. Source: WeChat Pay API v3, "bills".
"""

import gzip
import hashlib
import json
import secrets
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from gateway.sandbox.book import Order
from gateway.sandbox.channel import World
from gateway.sandbox.moments import BEIJING, beijing_text, to_ms
from gateway.sandbox.wechat.accounts import Account
from gateway.sandbox.wechat.ledger import Ledger, RefundRow
from gateway.sandbox.wechat.orders import REVERSE_PREFIX, Answer
from gateway.sandbox.wechat.refusals import Refusal

READY_AT: Final = timedelta(days=1, hours=10)
KEPT: Final = timedelta(days=92)
URL_MS: Final = 300_000
FEE_PER_MILLE_TENTHS: Final = 60
"""0.60 %: 60 of 10 000."""

TRADE_HEAD: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_TOTALS: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FUND_HEAD: Final = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FUND_TOTALS: Final = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
_STATUS: Final = {"SUCCESS": "SUCCESS", "PROCESSING": "PROCESSING", "CLOSED": "FAIL"}


class _File(NamedTuple):
    mchid: str
    text: bytes
    until_ms: int


class Bills:
    """The methods. Each raises `Refusal` for what it does not do."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._book = world.book
        self._ledger = ledger
        self._files: dict[str, _File] = {}

    def trade(self, account: Account, query: dict[str, str], *, origin: str) -> Answer:
        """Where the trade bill of a day lies."""
        if query.get("bill_type", "ALL") not in ("ALL", "SUCCESS", "REFUND"):
            raise Refusal("PARAM_ERROR", "bill_type")
        begins, ends = self._day(query)
        kind = query.get("bill_type", "ALL")
        orders = self._ledger.paid_between(account.mchid, begins, ends)
        refunds = self._ledger.refunds_between(account.mchid, begins, ends)
        if kind == "SUCCESS":
            refunds = []
        elif kind == "REFUND":
            orders = []
        return self._offer(account, self._trade_text(account, orders, refunds), origin, query)

    def fund_flow(self, account: Account, query: dict[str, str], *, origin: str) -> Answer:
        """Where the fund flow bill of a day lies."""
        if query.get("account_type", "BASIC") not in ("BASIC", "OPERATION", "FEES"):
            raise Refusal("PARAM_ERROR", "account_type")
        begins, ends = self._day(query)
        return self._offer(account, self._fund_text(account, begins, ends), origin, query)

    def download(self, account: Account, token: str) -> bytes:
        """The file behind a token."""
        found = self._files.get(token)
        if found is None or found.mchid != account.mchid or found.until_ms <= self._now():
            raise Refusal("PARAM_ERROR", "token")
        return found.text

    def _day(self, query: dict[str, str]) -> tuple[int, int]:
        if query.get("tar_type", "GZIP") != "GZIP":
            raise Refusal("PARAM_ERROR", "tar_type")
        try:
            day = date.fromisoformat(query.get("bill_date", ""))
        except ValueError as error:
            raise Refusal("PARAM_ERROR", "bill_date") from error
        begins = datetime.combine(day, time(), tzinfo=BEIJING).astimezone(UTC)
        now = self._world.clock()
        if now < begins + timedelta(days=1) or begins < now - KEPT:
            raise Refusal("PARAM_ERROR", "bill_date")
        if now < begins + READY_AT:
            raise Refusal("STATEMENT_CREATING")
        return to_ms(begins), to_ms(begins + timedelta(days=1))

    def _offer(
        self, account: Account, text: str | None, origin: str, query: dict[str, str]
    ) -> Answer:
        if text is None:
            raise Refusal("NO_STATEMENT_EXIST")
        now = self._now()
        self._files = {k: file for k, file in self._files.items() if file.until_ms > now}
        token, plain = secrets.token_urlsafe(24), text.encode()
        packed = gzip.compress(plain, mtime=0) if "tar_type" in query else plain
        self._files[token] = _File(account.mchid, packed, now + URL_MS)
        return Answer(
            {
                "hash_type": "SHA1",
                "hash_value": hashlib.sha1(plain, usedforsecurity=False).hexdigest(),
                "download_url": f"{origin}/wechat/v3/billdownload/file?token={token}",
            }
        )

    # Trade

    def _trade_text(
        self, account: Account, orders: list[Order], refunds: list[RefundRow]
    ) -> str | None:
        rows = [(o.paid_at or 0, _payment_row(account, o)) for o in orders]
        rows += [
            (r.created_at, _refund_row(account, self._book.order_by_id(r.order_id), r))
            for r in refunds
        ]
        if not rows:
            return None
        rows.sort(key=lambda row: row[0])
        paid = sum(order.amount for order in orders)
        back = sum(refund.amount for refund in refunds)
        fees = sum(_fee(order.amount) for order in orders)
        fees -= sum(_fee(refund.amount) for refund in refunds)
        totals = [
            str(len(rows)),
            _yuan(paid),
            _yuan(back),
            "0.00",
            _five(fees),
            _yuan(paid),
            _yuan(back),
        ]
        return _text([TRADE_HEAD, *(_line(row) for _, row in rows), TRADE_TOTALS, _line(totals)])

    # Fund flow

    def _fund_text(self, account: Account, begins: int, ends: int) -> str | None:
        moves: list[tuple[int, list[str], int]] = []
        for order in self._ledger.paid_between(account.mchid, begins, ends):
            at, number = order.paid_at or 0, order.channel_order_no or ""
            own = order.out_trade_no
            moves.append((at, _move(number, number, "交易", "交易", own), order.amount))
            moves.append(
                (at, _move(number, number, "交易", "扣除交易手续费", own), -_fee(order.amount))
            )
        for refund in self._ledger.refunds_between(account.mchid, begins, ends):
            if refund.status == "CLOSED":
                continue
            order = self._book.order_by_id(refund.order_id)
            fee, flow = _fee(refund.amount), order.channel_order_no or ""
            remark = f"退款总金额{_yuan(refund.amount)}元;含手续费{_yuan(fee)}元"
            row = _move(refund.refund_no, flow, "退款", "退款", refund.out_refund_no, remark)
            moves.append((refund.created_at, row, fee - refund.amount))
        for transfer in self._ledger.transfers_between(account.mchid, begins, ends):
            number = transfer.transfer_bill_no
            row = _move(number, number, "商家转账", "转账", transfer.out_bill_no)
            moves.append((transfer.updated_at, row, -transfer.amount))
        moves = [move for move in moves if move[2]]
        if not moves:
            return None
        moves.sort(key=lambda move: move[0])
        return _fund_table(moves)

    def _now(self) -> int:
        return to_ms(self._world.clock())


def _fund_table(moves: list[tuple[int, list[str], int]]) -> str:
    balance, lines = 0, []
    for at, row, amount in moves:
        balance += amount
        numbers, words, rest = row[:2], row[2:4], row[4:]
        direction = "收入" if amount > 0 else "支出"
        money = [direction, _yuan(abs(amount)), _yuan(balance)]
        lines.append(_line([beijing_text(at), *numbers, *words, *money, "system", *rest]))
    income = [amount for _, _, amount in moves if amount > 0]
    spent = [-amount for _, _, amount in moves if amount < 0]
    totals = [
        str(len(moves)),
        str(len(income)),
        _yuan(sum(income)),
        str(len(spent)),
        _yuan(sum(spent)),
    ]
    return _text([FUND_HEAD, *lines, FUND_TOTALS, _line(totals)])


def _move(
    business_no: str, flow_no: str, name: str, kind: str, voucher: str, remark: str = ""
) -> list[str]:
    return [business_no, flow_no, name, kind, remark, voucher]


def _payment_row(account: Account, order: Order) -> list[str]:
    amount = _yuan(order.amount)
    return _row(
        account,
        order,
        at=order.paid_at or 0,
        state="SUCCESS",
        money=[amount, "0.00", "0", "0", "0.00", "0.00", "", ""],
        ends=[_five(_fee(order.amount)), "0.60%", amount, "0.00", ""],
    )


def _refund_row(account: Account, order: Order, refund: RefundRow) -> list[str]:
    amount = _yuan(refund.amount)
    status = _STATUS.get(refund.status, "CHANGE")
    is_reverse = refund.out_refund_no.startswith(REVERSE_PREFIX)
    numbers = [refund.refund_no, "0" if is_reverse else refund.out_refund_no]
    return _row(
        account,
        order,
        at=refund.created_at,
        state="REVOKED" if is_reverse else "REFUND",
        money=["0.00", "0.00", *numbers, amount, "0.00", "ORIGINAL", status],
        ends=[_five(-_fee(refund.amount)), "0.60%", "0.00", amount, ""],
    )


def _row(
    account: Account, order: Order, *, at: int, state: str, money: list[str], ends: list[str]
) -> list[str]:
    content = json.loads(order.content)
    openid = content.get("payer", {}).get("openid", "")
    return [
        beijing_text(at),
        account.appid,
        account.mchid,
        "0",
        "",
        order.channel_order_no or "",
        order.out_trade_no,
        openid,
        content["_trade_type"],
        state,
        "OTHERS",
        "CNY",
        *money,
        content["description"],
        content.get("attach", ""),
        *ends,
    ]


def _fee(amount: int) -> int:
    """0.60 % in whole fen, half up."""
    return (amount * FEE_PER_MILLE_TENTHS + 5_000) // 10_000


def _yuan(fen: int) -> str:
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _five(fen: int) -> str:
    return _yuan(fen) + "000"


def _line(values: list[str]) -> str:
    return ",".join(f"`{value}" for value in values)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
