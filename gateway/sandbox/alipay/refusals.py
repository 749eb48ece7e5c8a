"""What the pretend Alipay refuses with: every `sub_code`, its `code` and its display text.

Law: a sub_code that is not in `REFUSALS` cannot be answered. 40001 and 40002 are faults of the
request's form, 40004 of the business, 20001 of an authorisation token; 20000 means that the
outcome is unknown. Source: Alipay OpenAPI, "common return codes" and the error tables of the
`alipay.trade.*` methods.
"""

import re
from typing import Any, Final

MESSAGES: Final = {
    "10000": "Success",
    "20000": "Service Currently Unavailable",
    "20001": "Insufficient Token Permissions",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40004": "Business Failed",
    "40006": "Insufficient Permissions",
}
"""`msg` of each `code`."""

REFUSALS: Final = {
    "isv.missing-method": ("40001", "缺少方法名参数"),
    "isv.missing-signature": ("40001", "缺少签名参数"),
    "isv.missing-signature-type": ("40001", "缺少签名类型参数"),
    "isv.missing-app-id": ("40001", "缺少appId参数"),
    "isv.missing-timestamp": ("40001", "缺少时间戳参数"),
    "isv.missing-version": ("40001", "缺少版本参数"),
    "isv.missing-parameter": ("40001", "缺少必选参数"),
    "isv.invalid-parameter": ("40002", "参数无效"),
    "isv.invalid-method": ("40002", "不存在的方法名"),
    "isv.invalid-format": ("40002", "无效的数据格式"),
    "isv.invalid-signature-type": ("40002", "无效的签名类型"),
    "isv.invalid-signature": ("40002", "无效签名"),
    "isv.invalid-app-id": ("40002", "无效的AppID参数"),
    "isv.invalid-timestamp": ("40002", "非法的时间戳参数"),
    "isv.invalid-charset": ("40002", "字符集错误"),
    "isv.invalid-version": ("40002", "无效的版本参数"),
    "isv.invalid-encrypt-type": ("40002", "无效的加密类型"),
    "aop.invalid-app-auth-token": ("20001", "无效的应用授权令牌"),
    "ACQ.SYSTEM_ERROR": ("20000", "系统错误"),
    "ACQ.INVALID_PARAMETER": ("40004", "参数无效"),
    "ACQ.ACCESS_FORBIDDEN": ("40004", "无权限使用接口"),
    "ACQ.TRADE_NOT_EXIST": ("40004", "交易不存在"),
    "ACQ.TRADE_HAS_SUCCESS": ("40004", "交易已被支付"),
    "ACQ.TRADE_HAS_CLOSE": ("40004", "交易已经关闭"),
    "ACQ.TRADE_HAS_FINISHED": ("40004", "交易已经完结"),
    "ACQ.TRADE_STATUS_ERROR": ("40004", "交易状态不合法"),
    "ACQ.TRADE_CANCEL_TIME_OUT": ("40004", "超过撤销时间范围"),
    "ACQ.TOTAL_FEE_EXCEED": ("40004", "订单总金额不在允许范围内"),
    "ACQ.CONTEXT_INCONSISTENT": ("40004", "交易信息被篡改"),
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": ("40004", "撤销或退款金额与订单金额不一致"),
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": ("40004", "退款金额无效"),
    "ACQ.DISCORDANT_REPEAT_REQUEST": ("40004", "同一笔退款请求金额不一致"),
    "ACQ.PAYMENT_AUTH_CODE_INVALID": ("40004", "支付授权码无效"),
    "ACQ.BUYER_BALANCE_NOT_ENOUGH": ("40004", "买家余额不足"),
    "ACQ.AUTH_NO_ERROR": ("40004", "预授权号错误或状态不对"),
    "ACQ.PRODUCT_AMOUNT_LIMIT_ERROR": ("40004", "超出产品限额"),
    "isv.insufficient-isv-permissions": ("40006", "ISV权限不足"),
    "isv.invalid_arguments": ("40004", "入参无效"),
    "isp.bill_not_exist": ("40004", "账单不存在"),
    "SYSTEM_ERROR": ("20000", "系统错误"),
    "ILLEGAL_ARGUMENT": ("40004", "参数异常或参数缺失"),
    "INVALID_PARAMETER": ("40004", "参数有误"),
    "ACCESS_FORBIDDEN": ("40004", "无权限使用该产品"),
    "UNIQUE_VIOLATION": ("40004", "商户订单号重复"),
    "PAYMENT_AUTH_CODE_INVALID": ("40004", "获取顾客账户信息失败"),
    "MONEY_NOT_ENOUGH": ("40004", "顾客余额不足"),
    "PAYEE_NOT_EXIST": ("40004", "收款账号不存在"),
    "FREEZE_ALREADY_SUCCESS": ("40004", "授权订单已经冻结成功"),
    "ORDER_ALREADY_CLOSED": ("40004", "授权订单已关闭"),
    "ORDER_ALREADY_FINISH": ("40004", "授权订单已经完结"),
    "ILLEGAL_STATUS": ("40004", "订单状态非法"),
    "REQUEST_AMOUNT_EXCEED": ("40004", "请求解冻金额超限"),
    "CANCEL_OPERATION_TIME_OUT": ("40004", "撤销操作超过允许时间范围"),
    "AUTH_ORDER_NOT_EXIST": ("40004", "支付宝资金授权订单不存在"),
    "AUTH_OPERATION_NOT_EXIST": ("40004", "支付宝资金操作流水不存在"),
    "PAYMENT_INFO_INCONSISTENCY": ("40004", "两次请求商户单号一样，但是参数不一致"),
    "EXCEED_LIMIT_SM_MIN_AMOUNT": ("40004", "单笔最低转账金额0.1元"),
    "PAYER_BALANCE_NOT_ENOUGH": ("40004", "付款方余额不足"),
    "ORDER_NOT_EXIST": ("40004", "转账订单不存在"),
}
"""`code` and display text (`sub_msg`) of each `sub_code`. Clients decide on codes only."""


ACQUIRING: Final = "ACQ."
AUTHORIZING: Final = re.compile(r"alipay\.fund\.auth\.")


class Refusal(Exception):
    """A refused request; `sub_code` is a key of `REFUSALS`, `detail` goes to the display text."""

    def __init__(self, sub_code: str, detail: str = "") -> None:
        super().__init__(sub_code)
        self.sub_code = sub_code
        self.detail = detail

    def in_words_of(self, method: str) -> "Refusal":
        """The same refusal as `method` words it: fund products know no prefix `ACQ.`."""
        if method.startswith("alipay.trade.") or not self.sub_code.startswith(ACQUIRING):
            return self
        bare = self.sub_code.removeprefix(ACQUIRING)
        if AUTHORIZING.match(method) and bare == "INVALID_PARAMETER":
            bare = "ILLEGAL_ARGUMENT"
        return Refusal(bare, self.detail) if bare in REFUSALS else self

    def to_node(self) -> dict[str, Any]:
        """The response node of this refusal."""
        code, text = REFUSALS[self.sub_code]
        return {
            "code": code,
            "msg": MESSAGES[code],
            "sub_code": self.sub_code,
            "sub_msg": f"{text}: {self.detail}" if self.detail else text,
        }
