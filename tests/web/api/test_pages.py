"""Pages: what an answer depends on is its name, and who will have the truth gets it."""

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from gateway.web.api.pages import goes_past, place_of


def request(
    *,
    merchant: str = "mch_a",
    name: str = "list_payments",
    path: str = "/v1/payments",
    query: str = "limit=1",
    scopes: tuple[str, ...] = ("payments.read",),
    headers: tuple[tuple[str, str], ...] = (),
) -> Any:
    return SimpleNamespace(
        route=SimpleNamespace(name=name, kept=True),
        caller=SimpleNamespace(
            merchant=SimpleNamespace(id=merchant), key=SimpleNamespace(scopes=frozenset(scopes))
        ),
        path=path,
        query=query,
        headers=CIMultiDict(headers),
    )


def test_whatever_an_answer_depends_on_makes_another_place() -> None:
    places = {
        place_of(request()),
        place_of(request(merchant="mch_b")),
        place_of(request(name="list_refunds")),
        place_of(request(path="/v1/refunds")),
        place_of(request(query="limit=2")),
        place_of(request(query="")),
        place_of(request(scopes=("payments.read", "payments.write"))),
        place_of(request(scopes=())),
    }
    assert len(places) == 8
    order = ("payments.write", "payments.read")
    assert place_of(request(scopes=order)) == place_of(request(scopes=order[::-1]))


@pytest.mark.parametrize(
    ("lines", "past"),
    [
        ((), False),
        (("",), False),
        (("max-age=1",), False),
        (("only-if-cached, max-stale",), False),
        (("no-cache",), True),
        (("No-Cache",), True),
        (("max-age=0",), True),
        (("no-store",), True),
        (("max-stale=5 ,\tno-cache",), True),
        (("max-age=5", "no-cache"), True),
        (("x-no-cache",), False),
    ],
)
def test_who_will_have_no_kept_answer_says_so(lines: tuple[str, ...], past: bool) -> None:
    headers = tuple(("cache-control", line) for line in lines)
    assert goes_past(request(headers=headers)) is past
