"""What the pretend WeChat Pay refuses with: every code, its HTTP status and display text.

Law: a code that is not in `REFUSALS` cannot be answered. Source: WeChat Pay API v3, common error
codes and those of the interfaces.
"""

from typing import Any, Final

REFUSALS: Final = {
    "PARAM_ERROR": (400, "参数错误"),
    "INVALID_REQUEST": (400, "请求不符合业务规则"),
    "APPID_MCHID_NOT_MATCH": (400, "appid和mch_id不匹配"),
    "ORDERPAID": (400, "该订单已支付"),
    "ORDER_CLOSED": (400, "该订单已关闭"),
    "AUTH_CODE_INVALID": (400, "付款码无效，请刷新后重试"),
    "NO_STATEMENT_EXIST": (400, "账单文件不存在"),
    "STATEMENT_CREATING": (400, "账单生成中"),
    "SIGN_ERROR": (401, "签名错误"),
    "RULE_LIMIT": (403, "业务规则限制"),
    "NOT_ENOUGH": (403, "余额不足"),
    "TRADE_OVERDUE": (403, "订单已经超过可退款的最大期限"),
    "NOT_FOUND": (404, "记录不存在"),
    "ORDER_NOT_EXIST": (404, "订单不存在"),
    "RESOURCE_NOT_EXISTS": (404, "查询的资源不存在"),
    "SYSTEM_ERROR": (500, "系统异常，请稍后重试"),
}
"""Status and display text of each code. Clients decide on status and code only."""


class Refusal(Exception):
    """A refused request; `code` is a key of `REFUSALS`, `detail` goes to the display text."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail

    @property
    def status(self) -> int:
        """The HTTP status."""
        return REFUSALS[self.code][0]

    def to_json(self) -> dict[str, Any]:
        """The body of the answer."""
        text = REFUSALS[self.code][1]
        return {"code": self.code, "message": f"{text}: {self.detail}" if self.detail else text}
