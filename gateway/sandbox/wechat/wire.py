"""Bytes of the pretend WeChat Pay: the header of a request, the texts that are signed.

Law: pure; no signature is checked or made here. A client may have signed its target with or without
the path below which this simulator is mounted. Source: WeChat Pay API v3, "signing", "verifying".
"""

import re
from typing import Final, NamedTuple

from gateway.sandbox.wechat.refusals import Refusal

MOUNT: Final = "/wechat"
SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
PROBE: Final = "WECHATPAY/SIGNTEST/"
HEADER_CHARS_MAX: Final = 2_048
NAMES: Final = frozenset({"mchid", "nonce_str", "signature", "timestamp", "serial_no"})

_PAIR: Final = re.compile(r'([a-z_]+)="([^"]*)"')
_NONCE: Final = re.compile(r"[0-9A-Za-z_-]{8,64}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{10}", re.ASCII)


class Authorization(NamedTuple):
    """The parts of a request's header `Authorization`."""

    mchid: str
    nonce: str
    timestamp: int
    serial: str
    signature: str


def parse_authorization(header: str) -> Authorization:
    """Read the header; its pairs may come in any order. Raises `Refusal`."""
    scheme, _, rest = header.partition(" ")
    if scheme != SCHEME or len(header) > HEADER_CHARS_MAX:
        raise Refusal("SIGN_ERROR", "Authorization is missing or of another type")
    pairs = []
    for piece in rest.split(","):
        match = _PAIR.fullmatch(piece.strip())
        if match is None:
            raise Refusal("SIGN_ERROR", "Authorization is malformed")
        pairs.append((match[1], match[2]))
    parts = dict(pairs)
    if len(parts) != len(pairs) or parts.keys() != NAMES:
        raise Refusal("SIGN_ERROR", "Authorization needs each of its parts once")
    if not _TIMESTAMP.fullmatch(parts["timestamp"]) or not _NONCE.fullmatch(parts["nonce_str"]):
        raise Refusal("SIGN_ERROR", "timestamp or nonce_str is malformed")
    return Authorization(
        mchid=parts["mchid"],
        nonce=parts["nonce_str"],
        timestamp=int(parts["timestamp"]),
        serial=parts["serial_no"],
        signature=parts["signature"],
    )


def request_text(method: str, target: str, authorization: Authorization, body: bytes) -> bytes:
    """The text that a client signs; `target` is path and query."""
    head = f"{method}\n{target}\n{authorization.timestamp}\n{authorization.nonce}\n"
    return head.encode() + body + b"\n"


def targets(raw_path: str) -> tuple[str, ...]:
    """What a client may have signed: the target as it came, and without the mount."""
    if raw_path.startswith(MOUNT + "/"):
        return raw_path, raw_path[len(MOUNT) :]
    return (raw_path,)


def message_text(timestamp: int, nonce: str, body: bytes) -> bytes:
    """The text that WeChat signs in an answer or a notification."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
