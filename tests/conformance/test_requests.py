"""Requests for measuring: the simulator takes every one of them."""

from itertools import islice

from gateway.channels.registry import built_in
from gateway.channels.wire import HttpResponse
from gateway.conformance import load_profiles
from gateway.conformance.requests import measured_account, measured_way, signed_requests
from tests.conformance.conftest import ground_of


async def test_each_request_is_a_new_order_or_its_query() -> None:
    (codec,) = (each for each in built_in() if each.name == "alipay")
    async with ground_of(codec, load_profiles(())["alipay"][0]) as ground:
        account, way = await measured_account(ground), measured_way(ground)
        for request in islice(signed_requests(ground, account, way), 10):
            answer = await ground.http.send(request)
            assert isinstance(answer, HttpResponse) and answer.status == 200
            assert b'"sign"' in answer.body, "the simulator refused the request"
        orders = (await ground.doors.book("alipay"))["orders"]
        assert len({row["out_trade_no"] for row in orders}) == 5
