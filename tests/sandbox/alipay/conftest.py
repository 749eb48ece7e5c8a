"""Calls of methods outside `alipay.trade`, and of certificate mode."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def ask(merchant: Any) -> Ask:
    """`await ask("fund.auth.order.freeze", {...})`: the node of a rightly signed answer."""

    async def ask(method: str, biz: Any, **changes: str | None) -> dict[str, Any]:
        whole = f"alipay.{method}"
        answer = await merchant.send(merchant.parameters("", biz, method=whole, **changes))
        name, node, right = merchant.read(answer)
        assert name == whole.replace(".", "_") + "_response"
        assert right is True
        return dict(node)

    return ask


@pytest.fixture
def certified(merchant: Any, ask: Ask) -> Ask:
    """The same in certificate mode."""
    numbers = {name: merchant.account[name] for name in ("app_cert_sn", "alipay_root_cert_sn")}

    async def certified(method: str, biz: Any, **changes: str | None) -> dict[str, Any]:
        return await ask(method, biz, **(numbers | changes))

    return certified
