"""Requests: what a channel is asked again and again, ready to be sent, for measuring simulators.

Law: every request is one that the codec built and signed; nothing is sent here, and no two creates
share a number.
"""

from collections.abc import Iterator

from gateway.channels.codec import AccountView, PayOrder
from gateway.channels.wire import HttpRequest
from gateway.conformance.case import Subject, disturbed
from gateway.conformance.ground import Ground
from gateway.conformance.profile import Way
from gateway.conformance.stage import Stage

OPERATIONS = ("pay", "query")


async def measured_account(ground: Ground) -> AccountView:
    """An account whose callbacks go to a box that nobody reads."""
    number, _ = ground.number()
    box = ground.receiver.box(number)
    box.account = await ground.account(box.url)
    return box.account


def measured_way(ground: Ground) -> Way:
    """The first way whose create is asked of the channel. Raises LookupError if none is."""
    asks = disturbed("pay")
    for way in ground.profile.ways:
        if asks(Subject(ground.codec, ground.profile, way)) is None:
            return way
    raise LookupError(f"nobody is asked for an order of {ground.profile.channel}")


def signed_requests(ground: Ground, account: AccountView, way: Way) -> Iterator[HttpRequest]:
    """For ever: a create of a new order, then a query of it. Signed when it is asked for."""
    stage = Stage(ground, way, ground.receiver.box("measured"), account)
    while True:
        order: PayOrder = stage.order()
        for operation in OPERATIONS:
            request = stage.build(operation, order)
            if isinstance(request, HttpRequest):
                yield request
