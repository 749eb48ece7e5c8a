"""Requests generated from the served document: nothing breaks, every answer is as promised.

The generator knows the document only. Its seed stands, its number of examples is bounded, and
whatever it makes is signed on its way out, so that it reaches the operation.
"""

import asyncio
import logging
import warnings
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tests.api.conftest import Api, Caller

load_all_checks()

EXAMPLES_MAX = 5
CHECK_NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
SOUND = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


class Signed(requests.auth.AuthBase):
    """Signs what is about to leave, as it is about to leave."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else body
        assert request.method is not None
        request.headers["Authorization"] = self._caller.authorization(
            request.method, request.path_url, raw
        )
        return request


def operations(document: dict[str, Any], prefix: str) -> list[Any]:
    """The operations below a path, as the generator knows them."""
    schema = schemathesis.openapi.from_dict(document)
    found = [result.ok() for result in schema.get_all_operations()]
    return [each for each in found if each.path.startswith(prefix)]


def attack(operation: Any, mode: GenerationMode, ids: dict[str, str], caller: Caller) -> list[int]:
    """Generate requests for one operation and judge every answer; the statuses that came."""
    statuses: list[int] = []
    named = {each.name for each in operation.path_parameters}
    known = {name: value for name, value in ids.items() if name in named}

    @given(case=operation.as_strategy(mode, path_parameters=known or None))
    @settings(
        max_examples=EXAMPLES_MAX,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def play(case: Any) -> None:
        response = case.call(base_url=caller.base, auth=Signed(caller), timeout=30)
        statuses.append(response.status_code)
        checks = [CHECKS.get_one(name) for name in CHECK_NAMES]
        if response.status_code != 405:
            case.validate_response(response, checks=checks)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        play()
    return statuses


async def _ids(api: Api, caller: Caller) -> dict[str, str]:
    payment = (await caller.post("/v1/payments", api.order())).body
    endpoint = await caller.post(
        "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "events": ["*"]}
    )
    event = (await caller.get("/v1/events?limit=1")).body["data"][0]
    return {
        "payment_id": payment["id"],
        "endpoint_id": endpoint.body["id"],
        "event_id": event["id"],
    }


@pytest.mark.parametrize("mode", SOUND, ids=lambda mode: mode.value)
async def test_the_api(api: Api, mode: GenerationMode, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    caller = await api.new_merchant()
    ids = await _ids(api, caller)
    seen: set[int] = set()
    listed = operations(api.contract.document, "/v1/")
    assert len(listed) >= 24
    for operation in listed:
        seen.update(await asyncio.to_thread(attack, operation, mode, ids, caller))
    assert not {status for status in seen if status >= 500}
    assert 400 in seen and (200 in seen or mode is GenerationMode.NEGATIVE)


@pytest.mark.parametrize("mode", SOUND, ids=lambda mode: mode.value)
async def test_the_administration(
    api: Api, mode: GenerationMode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    admin, subject = await api.admin(), await api.new_merchant()
    ids = {"merchant_id": subject.mch, "key_id": subject.key}
    listed = operations(api.contract.document, "/admin/")
    assert len(listed) >= 10
    for operation in listed:
        await asyncio.to_thread(attack, operation, mode, ids, admin)
