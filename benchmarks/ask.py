"""Ask: one signed request of a merchant, for what a benchmark needs beside its load.

Law: the published contract only; whatever is not answered with success voids the run.
"""

import json
import secrets
from typing import Any

import aiohttp

from benchmarks import requests
from benchmarks.load import RunVoid
from benchmarks.requests import Signer

ENDPOINTS = "/v1/webhook_endpoints"


async def ask(base_url: str, signer: Signer, method: str, path: str, value: object) -> Any:
    """The answer to a JSON value. Raises `RunVoid` unless it succeeds."""
    body = json.dumps(value).encode()
    header = requests.authorization(signer, method, path, body, nonce=secrets.token_hex(16))
    headers = {"Authorization": header, "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, base_url + path, data=body, headers=headers) as answer,
    ):
        content = await answer.json(content_type=None)
        if answer.status >= 400:
            raise RunVoid(f"{method} {path}: {answer.status} {content}")
        return content
