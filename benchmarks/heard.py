"""Heard: what a receiver has kept, read as a merchant reads it.

Law: the published contract of webhooks only (Standard Webhooks 1.0, `v1`: HMAC-SHA-256), with
nothing of Tillgate's own code. A webhook counts only if its signature is that of the endpoint at
whose path it came.
"""

import base64
import hmac
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.load import RunVoid

MOMENT = struct.Struct("<dI")  # Unix seconds of the arrival, bytes of the request


class Heard(NamedTuple):
    """A genuine webhook: Unix seconds of its arrival, its event (`created_at` as it is told), the
    payment's number."""

    at: float
    type: str
    number: str
    created_at: str


def read(file: Path, secrets: Mapping[str, str], *, begin: int = 0) -> Iterator[Heard]:
    """The webhooks in a file from byte `begin`; `secrets` are `whsec_...` by path.

    Raises `RunVoid` for one that is not genuine.
    """
    keys = {
        path: base64.b64decode(secret.removeprefix("whsec_")) for path, secret in secrets.items()
    }
    with file.open("rb") as opened:
        opened.seek(begin)
        while moment := opened.read(MOMENT.size):
            at, size = MOMENT.unpack(moment)
            yield _heard(at, opened.read(size), keys)


def _heard(at: float, raw: bytes, keys: Mapping[str, bytes]) -> Heard:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    path = first.split(" ")[1]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(keys[path], content, "sha256")
    signature = "v1," + base64.b64encode(digest).decode("ascii")
    event = json.loads(body)
    if signature not in headers["webhook-signature"].split(" "):
        raise RunVoid(f"a webhook came whose signature is not of its endpoint: {first} {event}")
    return Heard(at, event["type"], event["data"]["merchant_order_no"], event["created_at"])
