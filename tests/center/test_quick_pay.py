"""Quick payments: what is kept of a merchant is too old before its writer is answered."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.center.quick_pay import QuickCreate
from gateway.domain.change import Writes


class Ear:
    """Hears what is told, in its order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def wrote(self, merchant_id: str) -> None:
        self.heard.append(("wrote", merchant_id))

    def created(self, fresh: Any) -> None:
        self.heard.append(("answered", fresh.merchant_id))

    def known(self, created: object) -> None:
        self.heard.append(("answered", created))

    def refused(self, error: BaseException) -> None:
        self.heard.append(("answered", error))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def quick(ear: Ear) -> QuickCreate:
    fresh: Any = SimpleNamespace(merchant_id="mch_a")
    pay: Any = None
    return QuickCreate(fresh, b"", pay, ear, ear.wrote)


def test_a_new_payment_is_told_before_it_is_answered(ear: Ear, quick: QuickCreate) -> None:
    quick.done()
    assert ear.heard == [("wrote", "mch_a"), ("answered", "mch_a")]


def test_so_is_one_that_went_the_long_way(ear: Ear, quick: QuickCreate) -> None:
    quick.became(Writes(result="made"))
    assert ear.heard == [("wrote", "mch_a"), ("answered", "made")]


def test_what_was_refused_was_not_written(ear: Ear, quick: QuickCreate) -> None:
    refusal = LookupError("no")
    quick.failed(refusal)
    assert ear.heard == [("answered", refusal)]
