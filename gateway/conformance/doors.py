"""Doors: the control interface of the simulators, as a client sees it.

Law: only what is documented of the sandbox (`/accounts`, `/payer/pay`, `/faults`, `/book`) and the
pages that a payer's browser opens. An answer that the interface should not give is a `Violation`
of the simulator, named as such.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp

from gateway.conformance.judgement import fail

ASK_S_MAX = 20.0
PAGE_BYTES_MAX = 1024 * 1024
ORDER_REFUSED = "order_refused"


class Played(NamedTuple):
    """What the pretend payer achieved; `result` is None where he was refused (`status`)."""

    status: int
    result: str | None


class Page(NamedTuple):
    """What a payer's browser shows: the address it ended at, and the text."""

    url: str
    status: int
    text: str


class Doors:
    """The simulators at `url`, without a slash at the end."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def open_account(self, channel: str, merchant_public_key: str) -> dict[str, Any]:
        """Open an account; what a client of the channel would be configured with."""
        body = {"channel": channel, "merchant_public_key": merchant_public_key}
        return dict(await self.post("/accounts", body))

    async def pay(self, code: str, *, behaviour: str = "pay", amount: int | None = None) -> Played:
        """Let the payer act on a code; being refused is an answer like another."""
        body: dict[str, Any] = {"code": code, "behaviour": behaviour}
        if amount is not None:
            body["amount"] = amount
        status, answer = await self._send("POST", "/payer/pay", body)
        refused = status in (404, 409) or answer.get("code") == ORDER_REFUSED
        if status != 200 and not refused:
            fail(f"the simulator's payer answered HTTP {status}: {answer}")
        return Played(status, answer.get("result") if status == 200 else None)

    async def arm(
        self, channel: str, operation: str, fault: str, *, delay_ms: int | None = None
    ) -> None:
        """Let the next message of an operation go wrong."""
        body = {"channel": channel, "operation": operation, "fault": fault, "times": 1}
        await self.post("/faults", body if delay_ms is None else body | {"delay_ms": delay_ms})

    async def disarm(self) -> None:
        """Clear all faults."""
        await self._send("DELETE", "/faults", None)

    async def armed(self) -> list[dict[str, Any]]:
        """The faults that no message has taken."""
        status, answer = await self._send("GET", "/faults", None)
        if status != 200:
            fail(f"GET /faults answered HTTP {status}")
        return list(answer["faults"])

    async def book(self, channel: str) -> dict[str, list[dict[str, Any]]]:
        """The outside truth about a channel."""
        status, answer = await self._send("GET", f"/book/{channel}", None)
        if status != 200:
            fail(f"GET /book/{channel} answered HTTP {status}")
        return dict(answer)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """A control request that must be answered by 200."""
        status, answer = await self._send("POST", path, body)
        if status != 200:
            fail(f"the simulators refused POST {path} ({status}): {answer}")
        return answer

    async def send_form(
        self, method: str, path: str, fields: Sequence[tuple[str, str]], *, bearer: str
    ) -> Any:
        """A request of a form-encoded interface of a simulator that has keys; its JSON."""
        async with self._session.request(
            method,
            self.url + path,
            data=fields or None,
            headers={"Authorization": f"Bearer {bearer}"},
        ) as response:
            answer = await response.json(content_type=None)
            if response.status != 200:
                fail(f"the simulator refused {method} {path} ({response.status}): {answer}")
            return answer

    async def browse(
        self, url: str, fields: Mapping[str, str] | None = None, *, follow: bool = True
    ) -> Page:
        """Open a page as the payer's browser does: GET, or POST of a form's `fields`."""
        method = "GET" if fields is None else "POST"
        async with self._session.request(
            method, url, data=fields, allow_redirects=follow
        ) as response:
            raw = await response.content.read(PAGE_BYTES_MAX)
            text = raw.decode("utf-8", "replace")
            target = response.headers.get("Location", str(response.url))
            return Page(target, response.status, text)

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[int, Any]:
        async with self._session.request(method, self.url + path, json=body) as response:
            return response.status, await response.json(content_type=None)


def new_session() -> aiohttp.ClientSession:
    """A session for the control interface; no cookies, no proxy."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=ASK_S_MAX)
    )
