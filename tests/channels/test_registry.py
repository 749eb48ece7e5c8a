"""One name, one codec; one method, one channel; strangers join by entry point or stop the start."""

import sys
from importlib import metadata
from types import ModuleType

import pytest

from gateway.channels.alipay import AlipayCodec
from gateway.channels.registry import (
    ENTRY_POINT_GROUP,
    ChannelUnusable,
    Registry,
    built_in,
    load_registry,
)

pytestmark = pytest.mark.fast


class Tally(AlipayCodec):
    name = "tally"
    methods = frozenset({"tally_stick"})


class Twin(AlipayCodec):
    name = "twin"


class Unnamed(AlipayCodec):
    name = "Unnamed"
    methods = frozenset({"unnamed"})


class Failing:
    def __init__(self) -> None:
        raise RuntimeError("no")


class Halfway(Tally):
    build_refund = None  # type: ignore[assignment]


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch):
    module = ModuleType("a_channel_from_elsewhere")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def make(name: str, found: object) -> metadata.EntryPoint:
        setattr(module, name, found)
        return metadata.EntryPoint(name, f"{module.__name__}:{name}", ENTRY_POINT_GROUP)

    return make


def test_the_built_in_channels_are_registered() -> None:
    registry = load_registry([])
    assert registry.names == {codec.name for codec in built_in()} >= {"alipay"}
    assert registry.channel_of("alipay_qr") == "alipay"
    codec = registry.codec("alipay")
    assert codec is not None and codec.methods <= registry.methods
    assert registry.codec("nowhere") is None
    assert registry.channel_of("nowhere") is None


def test_the_real_entry_points_load() -> None:
    assert load_registry().names >= {"alipay"}


@pytest.mark.parametrize("found", [Tally, Tally()])
def test_a_class_or_an_object_joins_by_entry_point(point, found: object) -> None:
    registry = load_registry([point("tally", found)])
    assert registry.channel_of("tally_stick") == "tally"
    assert isinstance(registry.codec("tally"), Tally)


@pytest.mark.parametrize(
    ("name", "found", "says"),
    [
        ("alipay", AlipayCodec, "two channels are named alipay"),
        ("twin", Twin, "method alipay_app is served by alipay and twin"),
        ("other", Tally, "holds a channel named tally"),
        ("Unnamed", Unnamed, "is not a channel name"),
        ("tally", Halfway, "lacks build_refund"),
        ("tally", object(), "holds a channel named None"),
        ("failing", Failing, "does not load"),
    ],
)
def test_what_clashes_or_is_no_codec_stops_the_start(point, name, found, says) -> None:
    with pytest.raises(ChannelUnusable, match=says):
        load_registry([point(name, found)])


def test_an_entry_point_to_nothing_stops_the_start() -> None:
    nothing = metadata.EntryPoint("ghost", "no_such_module_anywhere:Codec", ENTRY_POINT_GROUP)
    with pytest.raises(ChannelUnusable, match="ghost"):
        load_registry([nothing])


def test_an_object_without_a_codecs_parts_is_refused() -> None:
    with pytest.raises(ChannelUnusable, match="is no codec"):
        Registry([object()])  # type: ignore[list-item]
