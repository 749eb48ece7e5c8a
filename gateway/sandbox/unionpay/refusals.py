"""The answer codes of the pretend UnionPay and their display texts.

Law: a code that is not in `TEXTS` cannot be answered. Clients decide on codes only.
Source: UnionPay, platform access specification, part 5 (appendix).
"""

from typing import Final

TEXTS: Final = {
    "00": "成功[0000000]",
    "04": "交易状态未明，请查询对账结果",
    "05": "交易已受理，请稍后查询交易结果",
    "10": "报文格式错误",
    "11": "验证签名失败",
    "12": "重复交易",
    "13": "报文交易要素缺失",
    "32": "无此交易权限",
    "33": "交易金额超限",
    "34": "查无此交易",
    "35": "原交易不存在或状态不正确",
    "36": "与原交易信息不符",
    "37": "已超过最大查询次数或操作过于频繁",
    "45": "原交易已被成功退货或已被成功撤销",
    "60": "交易失败，详情请咨询您的发卡行",
    "64": "卡上的余额不足",
    "69": "您的输入超时，交易失败",
    "71": "动态口令或短信验证码校验失败",
    "98": "文件不存在",
}


class Refusal(Exception):
    """A refused request; `code` is a key of `TEXTS`, `detail` goes to the display text."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail

    @property
    def text(self) -> str:
        """`respMsg`."""
        return f"{TEXTS[self.code]}[{self.detail}]" if self.detail else TEXTS[self.code]
