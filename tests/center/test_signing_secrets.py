"""What signs: opened once, remembered by its sealed bytes, and known only when all of it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.center.signing_secrets import SigningSecrets
from gateway.domain.endpoint import NotifySecret

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Box:
    """Opens by taking a letter away, and counts."""

    def __init__(self) -> None:
        self.opened: list[bytes] = []

    def open(self, sealed: bytes, **place: Any) -> bytes:
        self.opened.append(sealed)
        return sealed[1:]


class Known:
    async def find_merchant(self, merchant_id: str) -> object:
        return object()


def holder(**more: Any) -> NotifySecret:
    return NotifySecret(
        merchant_id="mch_1", secret=b"+new", private_key=b"+seed", created_at=NOW, **more
    )


def secrets_with(box: Box) -> SigningSecrets:
    return SigningSecrets(box=box, directory=Known(), draw=bytes)  # type: ignore[arg-type]


async def test_a_signer_is_known_once_it_was_opened() -> None:
    box = Box()
    secrets = secrets_with(box)
    assert secrets.known_signer(holder(), NOW) is None
    signer = await secrets.signer(holder(), NOW)
    assert (signer.secrets, signer.seed) == ([b"new"], b"seed")
    assert secrets.known_signer(holder(), NOW) == signer
    assert await secrets.signer(holder(), NOW) == signer
    assert box.opened == [b"+new", b"+seed"]


async def test_a_rotated_secret_is_not_known_before_it_was_opened() -> None:
    secrets = secrets_with(Box())
    await secrets.signer(holder(), NOW)
    rotated = holder(secret_before=b"+old", secret_before_until=NOW + timedelta(hours=1))
    assert secrets.known_signer(rotated, NOW) is None
    both = await secrets.signer(rotated, NOW)
    assert both.secrets == [b"new", b"old"]
    assert secrets.known_signer(rotated, NOW) == both
    later = secrets.known_signer(rotated, NOW + timedelta(hours=1))
    assert later is not None and later.secrets == [b"new"]


async def test_a_seed_alone_is_no_signer() -> None:
    secrets = secrets_with(Box())
    await secrets.signer(holder(), NOW)
    other = NotifySecret(merchant_id="mch_1", secret=b"+new", private_key=b"+x", created_at=NOW)
    assert secrets.known_signer(other, NOW) is None
