"""A process around alipay-sdk-python, Alipay's official client: one JSON line asks, one answers.

Run with the client's own folder as PYTHONPATH, because it calls itself `alipay` as another client
does. Lines: {"configure": {...}}, then {"interface", "mode": "execute"|"page"|"sdk", "content",
"notify_url"?, "return_url"?}. The answer is {"text": ...} or {"error": ...}.

The client verifies every answer before it gives it. Two of its limits are worked around here: it
cannot call an address with a port, and it says so by a TypeError.
"""

import importlib
import json
import sys
import urllib.request
from typing import Any

from alipay.aop.api import DefaultAlipayClient as client_module
from alipay.aop.api.AlipayClientConfig import AlipayClientConfig


def post(
    url: str,
    query_string: str | None = None,
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
    charset: str = "utf-8",
    timeout: int = 15,
) -> bytes:
    """The client's `do_post`, able to call a port."""
    body = client_module.url_encode(params or {}, charset).encode("ascii")
    request = urllib.request.Request(f"{url}?{query_string}", data=body, headers=headers or {})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return bytes(response.read())


def configured(settings: dict[str, str]) -> Any:
    config = AlipayClientConfig()
    config.server_url = settings["gateway_url"]
    config.app_id = settings["app_id"]
    config.app_private_key = settings["private_key"]
    config.alipay_public_key = settings["alipay_public_key"]
    return client_module.DefaultAlipayClient(alipay_client_config=config)


def built(asked: dict[str, Any]) -> Any:
    """The client's request with its own model of the content: what it has no field for is lost."""
    stem = "".join(part.capitalize() for part in asked["interface"].split("."))
    model = getattr(importlib.import_module(f"alipay.aop.api.domain.{stem}Model"), f"{stem}Model")
    maker = importlib.import_module(f"alipay.aop.api.request.{stem}Request")
    request = getattr(maker, f"{stem}Request")(biz_model=model.from_alipay_dict(asked["content"]))
    for name in ("notify_url", "return_url"):
        if asked.get(name):
            setattr(request, name, asked[name])
    return request


def answer(client: Any, asked: dict[str, Any]) -> dict[str, str]:
    modes = {
        "execute": client.execute,
        "page": lambda request: client.page_execute(request, http_method="GET"),
        "sdk": client.sdk_execute,
    }
    try:
        return {"text": modes[asked["mode"]](built(asked))}
    except Exception as error:  # whatever the client raises is its answer
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    client_module.do_post = post
    client = None
    for line in sys.stdin:
        asked = json.loads(line)
        if "configure" in asked:
            client = configured(asked["configure"])
            found = {"text": "configured"}
        else:
            found = answer(client, asked)
        print(json.dumps(found), flush=True)


main()
