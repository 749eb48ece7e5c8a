"""The same service as a careful team would write it by hand: aiohttp, asyncpg, msgspec.

Law: the guarantees of Tillgate's create: signed (HMAC-SHA-256), idempotent by `merchant_order_no`
(a repeat is answered with the payment as it is, another body under the same number is refused), and
payment and journal row are durable before the answer: one transaction per request, in one round
trip. One process with uvloop, access log off, connections pooled, statements prepared.

    python -m benchmarks.rivals.aiohttp_asyncpg 8080 postgresql://...
"""

import hashlib
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import asyncpg
import msgspec
import uvloop
from aiohttp import web

from benchmarks.rivals.signing import Key, Refused, authenticated

EXPIRES_IN = timedelta(hours=2)
CONNECTIONS = 20

WRITE = """
with made as (
    insert into payments (id, merchant_id, merchant_order_no, fingerprint, amount, currency,
        subject, status, metadata, created_at, expires_at, version)
    values ($1, $2, $3, $4, $5, $6, $7, 'requires_payment_method', $8, $9, $10, 1)
    on conflict (merchant_id, merchant_order_no) do nothing
    returning id, merchant_id, created_at
)
insert into journal (merchant_id, at, type, object_id, data)
select merchant_id, created_at, 'payment.created', id, $11 from made
returning seq
"""
READ = """
select id, merchant_order_no, amount, currency, subject, status, metadata, created_at, expires_at,
    version, fingerprint
from payments where merchant_id = $1 and merchant_order_no = $2
"""

SHOWN = ("id", "merchant_order_no", "amount", "currency", "subject", "status", "created_at",
         "expires_at", "version")  # fmt: skip

Number = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Amount = Annotated[int, msgspec.Meta(ge=1, le=999_999_999_999)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class CreatePayment(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a create."""

    merchant_order_no: Number
    amount: Amount
    currency: Currency
    subject: Subject
    metadata: dict[str, str] = {}


class PaymentView(msgspec.Struct):
    """The payment as merchants see it."""

    id: str
    object: str
    merchant_order_no: str
    amount: int
    currency: str
    subject: str
    status: str
    metadata: dict[str, str]
    created_at: datetime
    expires_at: datetime
    version: int


decode = msgspec.json.Decoder(CreatePayment).decode
encode = msgspec.json.Encoder().encode
keys: dict[str, Key] = {}
POOL = web.AppKey("pool", asyncpg.Pool)


def answer(status: int, body: bytes) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=body, content_type="application/json")


async def create(request: web.Request) -> web.Response:
    """Create a payment, or answer with the one that this number made before."""
    body = await request.read()
    try:
        merchant_id = authenticated(
            keys,
            method=request.method,
            target=request.path,
            header=request.headers.get("Authorization", ""),
            body=body,
        )
        order = decode(body)
    except Refused as refused:
        return answer(401, encode({"detail": str(refused)}))
    except msgspec.DecodeError as error:
        return answer(400, encode({"detail": str(error)}))
    now = datetime.now(UTC)
    payment = PaymentView(
        id=f"pay_{uuid.uuid4().hex}",
        object="payment",
        merchant_order_no=order.merchant_order_no,
        amount=order.amount,
        currency=order.currency,
        subject=order.subject,
        status="requires_payment_method",
        metadata=order.metadata,
        created_at=now,
        expires_at=now + EXPIRES_IN,
        version=1,
    )
    shown = encode(payment)
    fingerprint = hashlib.sha256(encode(order)).digest()
    seq = await request.app[POOL].fetchval(
        WRITE,
        payment.id,
        merchant_id,
        order.merchant_order_no,
        fingerprint,
        order.amount,
        order.currency,
        order.subject,
        encode(order.metadata).decode(),
        now,
        payment.expires_at,
        shown.decode(),
    )
    if seq is not None:
        return answer(201, shown)
    found = await request.app[POOL].fetchrow(READ, merchant_id, order.merchant_order_no)
    if found["fingerprint"] != fingerprint:
        return answer(409, encode({"detail": "this number belongs to another order"}))
    fields = {name: found[name] for name in SHOWN}
    metadata = msgspec.json.decode(found["metadata"], type=dict[str, str])
    return answer(200, encode(PaymentView(object="payment", metadata=metadata, **fields)))


async def database(application: web.Application) -> AsyncIterator[None]:
    """Open the pool and read the keys."""
    async with asyncpg.create_pool(sys.argv[2], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        for row in await pool.fetch("select key_id, merchant_id, secret from merchant_keys"):
            keys[row["key_id"]] = Key(row["merchant_id"], row["secret"])
        application[POOL] = pool
        yield


def main() -> None:
    """Serve until told to end."""
    application = web.Application()
    application.router.add_post("/v1/payments", create)
    application.cleanup_ctx.append(database)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )


if __name__ == "__main__":
    main()
