"""The same service as most teams would write it: FastAPI, SQLAlchemy's asynchronous ORM, uvicorn.

Law: the guarantees of Tillgate's create: signed (HMAC-SHA-256), idempotent by `merchant_order_no`
(a repeat is answered with the payment as it is, another body under the same number is refused), and
payment and journal row are durable in one transaction before the answer. One process with uvloop
and httptools, access log off, connections pooled.

    python -m benchmarks.rivals.fastapi_sqlalchemy 8080 postgresql://...
"""

import contextlib
import hashlib
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, Identity, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.rivals.signing import Key, Refused, authenticated

EXPIRES_IN = timedelta(hours=2)
CONNECTIONS = 20
Moment = TIMESTAMP(timezone=True)


class Base(DeclarativeBase):
    """The tables of `schema.sql`."""


class MerchantKey(Base):
    """A key of a merchant."""

    __tablename__ = "merchant_keys"
    key_id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str]
    secret: Mapped[bytes]


class Payment(Base):
    """A payment."""

    __tablename__ = "payments"
    __table_args__ = (UniqueConstraint("merchant_id", "merchant_order_no"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[str]
    merchant_order_no: Mapped[str]
    fingerprint: Mapped[bytes]
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    subject: Mapped[str]
    status: Mapped[str]
    payment_metadata: Mapped[dict[str, str]] = mapped_column("metadata", JSONB)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    version: Mapped[int] = mapped_column(BigInteger)


class JournalRow(Base):
    """An event."""

    __tablename__ = "journal"
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    merchant_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(Moment)
    type: Mapped[str]
    object_id: Mapped[str]
    data: Mapped[str]


class CreatePayment(BaseModel):
    """The body of a create."""

    model_config = ConfigDict(extra="forbid", strict=True)
    merchant_order_no: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    amount: Annotated[int, Field(ge=1, le=999_999_999_999)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    subject: Annotated[str, Field(min_length=1, max_length=256)]
    metadata: dict[str, str] = {}


class PaymentView(BaseModel):
    """The payment as merchants see it."""

    id: str
    object: str = "payment"
    merchant_order_no: str
    amount: int
    currency: str
    subject: str
    status: str
    metadata: dict[str, str]
    created_at: datetime
    expires_at: datetime
    version: int


keys: dict[str, Key] = {}
sessions: async_sessionmaker[AsyncSession]


@contextlib.asynccontextmanager
async def lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Open the pool and read the keys."""
    global sessions
    url = sys.argv[2].replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(url, pool_size=CONNECTIONS, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions() as session:
        for key in await session.scalars(select(MerchantKey)):
            keys[key.key_id] = Key(key.merchant_id, key.secret)
    yield
    await engine.dispose()


application = FastAPI(lifespan=lifespan, openapi_url=None)


async def merchant(request: Request) -> str:
    """The merchant who signed the request."""
    try:
        return authenticated(
            keys,
            method=request.method,
            target=request.url.path,
            header=request.headers.get("authorization", ""),
            body=await request.body(),
        )
    except Refused as refused:
        raise HTTPException(401, str(refused)) from None


async def opened() -> AsyncIterator[AsyncSession]:
    """A session of the request's own."""
    async with sessions() as session:
        yield session


@application.post("/v1/payments", status_code=201)
async def create(
    order: CreatePayment,
    response: Response,
    merchant_id: Annotated[str, Depends(merchant)],
    session: Annotated[AsyncSession, Depends(opened)],
) -> PaymentView:
    """Create a payment, or answer with the one that this number made before."""
    now = datetime.now(UTC)
    fingerprint = hashlib.sha256(order.model_dump_json().encode()).digest()
    payment = Payment(
        id=f"pay_{uuid.uuid4().hex}",
        merchant_id=merchant_id,
        merchant_order_no=order.merchant_order_no,
        fingerprint=fingerprint,
        amount=order.amount,
        currency=order.currency,
        subject=order.subject,
        status="requires_payment_method",
        payment_metadata=order.metadata,
        created_at=now,
        expires_at=now + EXPIRES_IN,
        version=1,
    )
    shown = view(payment)
    event = JournalRow(
        merchant_id=merchant_id,
        at=now,
        type="payment.created",
        object_id=payment.id,
        data=shown.model_dump_json(),
    )
    try:
        session.add_all((payment, event))
        await session.commit()
        return shown
    except IntegrityError:
        await session.rollback()
    number = (merchant_id, order.merchant_order_no)
    found = await session.scalar(
        select(Payment).where(
            Payment.merchant_id == number[0], Payment.merchant_order_no == number[1]
        )
    )
    if found is None or found.fingerprint != fingerprint:
        raise HTTPException(409, "this number belongs to another order")
    response.status_code = 200
    return view(found)


def view(payment: Payment) -> PaymentView:
    """The payment as merchants see it."""
    fields: dict[str, Any] = {
        name: getattr(payment, name) for name in PaymentView.model_fields if hasattr(payment, name)
    }
    return PaymentView(**fields | {"metadata": payment.payment_metadata})


def main() -> None:
    """Serve until told to end."""
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
