"""Both twins of `fastpath.row`: what each kind is written as, what is replaced, what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from types import ModuleType
from typing import Any
from uuid import UUID

import msgspec
import pytest
from asyncpg.pgproto.pgproto import UUID as PostgresUUID

from fastpath import row as door
from fastpath.row import BYTES, FLAG, ID, JSON, MOMENT, NULL, NUMBER, TEXT, TEXTS

pytestmark = pytest.mark.fast

PAY = "pay_01h455vb4pex5vsknk084sn02q"
PAY_HEX = "01890a5dac96774bbcceb302099a8057"
TOP = "x_7" + "z" * 25
NOON = datetime(2026, 1, 31, 12, 5, 9, 42, tzinfo=UTC)

WRITTEN = [
    (TEXT, "", ""),
    (TEXT, "Tee 茶 😀 \\ \" ' é\n", "Tee 茶 😀 \\ \" ' é\n"),
    (TEXT, "a" * 5000, "a" * 5000),
    (NUMBER, 0, "0"),
    (NUMBER, 9, "9"),
    (NUMBER, 10, "10"),
    (NUMBER, 100, "100"),
    (NUMBER, -1205, "-1205"),
    (NUMBER, 2**63 - 1, "9223372036854775807"),
    (NUMBER, -(2**63), "-9223372036854775808"),
    (NUMBER, 2**63, "9223372036854775808"),
    (NUMBER, -(10**40), "-1" + "0" * 40),
    (FLAG, True, "t"),
    (FLAG, False, "f"),
    (ID, PAY, PAY_HEX),
    (ID, "a_b_01h455vb4pex5vsknk084sn02q", PAY_HEX),
    (ID, "é_01h455vb4pex5vsknk084sn02q", PAY_HEX),
    (ID, TOP, "f" * 32),
    (ID, "x_" + "0" * 26, "0" * 32),
    (MOMENT, NOON, "2026-01-31 12:05:09.000042+00"),
    (MOMENT, datetime(1, 1, 1, tzinfo=UTC), "0001-01-01 00:00:00.000000+00"),
    (
        MOMENT,
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
        "9999-12-31 23:59:59.999999+00",
    ),
    (
        MOMENT,
        datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=8))),
        "2025-12-31 17:30:00.000000+00",
    ),
    (BYTES, b"", "\\x"),
    (BYTES, bytes(range(256)), "\\x" + bytes(range(256)).hex()),
    (JSON, {"b": [1, None, True, "é\x1f\n"]}, '{"b":[1,null,true,"é\\u001f\\n"]}'),
    (JSON, {}, "{}"),
    (JSON, "", '""'),
    (TEXTS, (), "{}"),
    (TEXTS, [""], '{""}'),
    (TEXTS, ("a", 'q"', "\\", "NULL", "é,{}"), '{"a","q\\"","\\\\","NULL","é,{}"}'),
    *((kind, None, "\x1e") for kind in (TEXT, NUMBER, FLAG, ID, MOMENT, BYTES, JSON, TEXTS)),
]


@pytest.mark.parametrize(("kind", "value", "text"), WRITTEN)
def test_what_a_value_is_written_as(row: ModuleType, kind: bytes, value: Any, text: str) -> None:
    written = row.row_lines([(0, value)], NUMBER + kind)
    assert written == f"0\x1f{text}"


def test_rows_and_values_are_parted(row: ModuleType) -> None:
    rows = [("a", 1, None), ["", 2, PAY]]
    expected = f"a\x1f1\x1f\x1e\x1d\x1f2\x1f{PAY_HEX}"
    assert row.row_lines(rows, TEXT + NUMBER + ID) == expected
    assert row.row_lines(tuple(rows), TEXT + NUMBER + ID) == expected
    assert row.row_lines([], TEXT + NUMBER) == ""
    assert row.row_lines([(1,), (2,)], NUMBER) == "1\x1d2"


def test_a_text_longer_than_any_room_is_whole(row: ModuleType) -> None:
    rows = [(index, "é" * index, ("x" * index, "\\" * index)) for index in range(300)]
    lines = row.row_lines(rows, NUMBER + TEXT + TEXTS).split(door.GROUP)
    assert [line.split(door.UNIT)[:2] for line in lines] == [[str(n), "é" * n] for n in range(300)]
    assert [len(line.split(door.UNIT)[2]) for line in lines] == [3 * n + 7 for n in range(300)]


@pytest.mark.parametrize("place", range(10))
@pytest.mark.parametrize("odd", ["\x00", "\x1d", "\x1e", "\x1f", "\ud800", "\udfff"])
@pytest.mark.parametrize("around", ["abcdefghi", "äbcdefghi", "茶bcdefghi"])
def test_an_odd_character_costs_itself(row: ModuleType, around: str, odd: str, place: int) -> None:
    text = around[:place] + odd + around[place:]
    clean = text.replace(odd, "\ufffd")
    written = row.row_lines([(text, "next", [text, "more"])], TEXT + TEXT + TEXTS)
    assert written == f'{clean}\x1fnext\x1f{{"{clean}","more"}}'


def test_other_controls_are_kept(row: ModuleType) -> None:
    kept = "".join(map(chr, [*range(1, 0x1D), 0x7F, 0x85, 0x2028]))
    assert row.row_lines([(1, kept)], NUMBER + TEXT) == f"1\x1f{kept}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\x00", '"\ufffd"'),
        ("a\x00\x00b", '"a\ufffd\ufffdb"'),
        ("\\u0000", '"\\\\u0000"'),
        ("\\\x00", '"\\\\\ufffd"'),
        ("\\\\u0000\\\\\x00", '"\\\\\\\\u0000\\\\\\\\\ufffd"'),
        ({"\x00": "\x01"}, '{"\ufffd":"\\u0001"}'),
        (msgspec.Raw(b'{"a":\x1f1}'), '{"a":\ufffd1}'),
    ],
)
def test_json_brings_no_nul_and_no_separator(row: ModuleType, value: Any, text: str) -> None:
    assert row.row_lines([(1, value)], NUMBER + JSON) == f"1\x1f{text}"


class Text(str):
    """A subclass, which is not taken for what it is made of."""


class Moment(datetime):
    """A subclass, which is not taken for what it is made of."""


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (TEXT, 1, "column 1 must be str, not int"),
        (TEXT, b"a", "column 1 must be str, not bytes"),
        (TEXT, Text("a"), "column 1 must be str, not Text"),
        (NUMBER, True, "column 1 must be int, not bool"),
        (NUMBER, "1", "column 1 must be int, not str"),
        (FLAG, 1, "column 1 must be bool, not int"),
        (ID, UUID(int=1), "column 1 must be str, not UUID"),
        (MOMENT, "2026-01-01", "column 1 must be datetime, not str"),
        (MOMENT, NOON.date(), "column 1 must be datetime, not date"),
        (MOMENT, Moment(2026, 1, 1, tzinfo=UTC), "column 1 must be datetime, not Moment"),
        (BYTES, "a", "column 1 must be bytes, not str"),
        (BYTES, bytearray(b"a"), "column 1 must be bytes, not bytearray"),
        (TEXTS, "ab", "column 1 must be a tuple or list, not str"),
        (TEXTS, {"a"}, "column 1 must be a tuple or list, not set"),
        (TEXTS, ("a", None), "an element of column 1 must be str, not NoneType"),
    ],
)
def test_other_types_are_refused(row: ModuleType, kind: bytes, value: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        row.row_lines([(0, value)], NUMBER + kind)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "_",
        PAY[4:],
        PAY[:-1],
        PAY + "0",
        "-" + PAY[4:],
        "pay-" + PAY[4:],
        PAY.upper(),
        "pay_8" + PAY[5:],
        PAY[:-1] + "i",
        PAY[:-1] + "é",
        "é" + PAY[4:],
        PAY[:10] + "_" + PAY[11:],
        PAY[:-1] + "\ud800",
    ],
)
def test_what_is_no_id_is_refused(row: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match=r"^column 0 must be an id: "):
        row.row_lines([(text,)], ID)


class Vague(tzinfo):
    """A zone that does not know its distance from UTC."""

    def utcoffset(self, moment: datetime | None) -> None:
        return None


@pytest.mark.parametrize("zone", [None, Vague()])
def test_a_moment_without_a_zone_is_refused(row: ModuleType, zone: tzinfo | None) -> None:
    with pytest.raises(ValueError, match=r"^column 0 must be a datetime with a time zone$"):
        row.row_lines([(datetime(2026, 1, 1, tzinfo=zone),)], MOMENT)


def test_what_json_cannot_say_is_refused(row: ModuleType) -> None:
    with pytest.raises(TypeError, match="unsupported"):
        row.row_lines([(object(),)], JSON)
    with pytest.raises(UnicodeEncodeError):
        row.row_lines([("\ud800",)], JSON)


@pytest.mark.parametrize("rows", [[()], [(1,)], [(1, "a"), (1, "a", 2)]])
def test_rows_of_another_length_are_refused(row: ModuleType, rows: Any) -> None:
    with pytest.raises(ValueError, match=r"^a row must have 2 values, not "):
        row.row_lines(rows, NUMBER + TEXT)


@pytest.mark.parametrize(
    ("rows", "kinds", "error", "message"),
    [
        ([], "n", TypeError, "kinds must be bytes, not str"),
        ([], b"", ValueError, "kinds must be 1 to 128"),
        ([], NUMBER * 129, ValueError, "kinds must be 1 to 128"),
        ([], b"nx", ValueError, "120 is no kind of column"),
        ([], b"n\xff", ValueError, "255 is no kind of column"),
        ("", NUMBER, TypeError, "rows must be a tuple or list, not str"),
        ({(1,)}, NUMBER, TypeError, "rows must be a tuple or list, not set"),
        (["1"], NUMBER, TypeError, "row must be a tuple or list, not str"),
    ],
)
def test_wrong_arguments_are_refused(
    row: ModuleType, rows: Any, kinds: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        row.row_lines(rows, kinds)
    assert str(caught.value) == message


def test_a_single_text_is_no_row(row: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^rows of a single text are refused"):
        row.row_lines([("a",)], TEXT)
    with pytest.raises(ValueError, match=r"^rows of a single text are refused"):
        row.row_lines([], TEXT)
    assert row.row_lines([((),)], TEXTS) == "{}"


def test_as_many_columns_as_there_may_be(row: ModuleType) -> None:
    assert row.row_lines([(7,) * 128], NUMBER * 128) == door.UNIT.join("7" * 128)
    fields = tuple(f"f{index}" for index in range(128))
    made = row.read_row(range(130), 2, fields, NUMBER * 128, (None,) * 128, dict)
    assert made == dict(zip(fields, range(2, 130), strict=True))


# --- reading --------------------------------------------------------------------------------------


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A value with a column of every kind."""

    id: str
    name: str | None
    count: int
    is_live: bool = True
    at: datetime | None = None
    key: bytes | None = None
    data: object = None
    words: tuple[str, ...] | None = None


FIELDS = Thing.__struct_fields__
KINDS = ID + TEXT + NUMBER + FLAG + MOMENT + BYTES + JSON + TEXTS
PREFIXES = ("pay",) + (None,) * 7
UUIDS: list[Callable[[bytes], Any]] = [lambda data: UUID(bytes=data), PostgresUUID]


def record(**columns: Any) -> tuple[Any, ...]:
    """The columns of a Thing as Postgres gives them."""
    given = {
        "id": PostgresUUID(PAY_HEX),
        "name": "a",
        "count": 2,
        "is_live": False,
        "at": NOON,
        "key": b"k",
        "data": '{"a":[1]}',
        "words": ["x", "y"],
    }
    return tuple((given | columns).values())


THING = Thing(
    id=PAY, name="a", count=2, is_live=False, at=NOON, key=b"k", data={"a": [1]}, words=("x", "y")
)


@pytest.mark.parametrize("before", [0, 1, 5])
@pytest.mark.parametrize("made", [tuple, list])
def test_a_record_becomes_its_value(row: ModuleType, made: Any, before: int) -> None:
    columns = made(("other",) * before + record() + ("other",))
    assert row.read_row(columns, before, FIELDS, KINDS, PREFIXES, Thing) == THING


def test_null_of_any_kind_is_none(row: ModuleType) -> None:
    read = row.read_row((None,) * 8, 0, FIELDS, KINDS, PREFIXES, Thing)
    assert read == Thing(**dict.fromkeys(FIELDS))


def test_fields_that_are_not_given_keep_their_defaults(row: ModuleType) -> None:
    read = row.read_row((2, None), 0, ("count", "name"), NUMBER + TEXT, (None, None), Part)
    assert read == Part(count=2, name=None, rest="rest")


class Part(msgspec.Struct, kw_only=True):
    """A value with more fields than are read."""

    name: str | None
    count: int
    rest: str = "rest"


@pytest.mark.parametrize("make", UUIDS)
@pytest.mark.parametrize("prefix", ["pay", "", "a_b", "é"])
def test_any_uuid_has_its_text(row: ModuleType, make: Any, prefix: str) -> None:
    for digits, characters in (
        (PAY_HEX, PAY[4:]),
        ("f" * 32, TOP[2:]),
        ("0" * 32, "0" * 26),
        ("0123456789abcdeffedcba9876543210", "014d2pf2dbsqqzxq5tk1v58cgg"),
    ):
        read = row.read_row([make(bytes.fromhex(digits))], 0, ("id",), ID, (prefix,), dict)
        assert read == {"id": f"{prefix}_{characters}"}
        assert row.row_lines([(read["id"],)], ID) == digits


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": PAY_HEX}, "id must be UUID, not str"),
        ({"id": 1}, "id must be UUID, not int"),
        ({"data": b"{}"}, "data must be str, not bytes"),
        ({"words": ("x",)}, "words must be list, not tuple"),
    ],
)
def test_columns_of_another_type_are_refused(
    row: ModuleType, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        row.read_row(record(**columns), 0, FIELDS, KINDS, PREFIXES, Thing)
    assert str(caught.value) == message


class Short(UUID):
    """A UUID whose bytes are not sixteen."""

    bytes = b"short"  # type: ignore[assignment]


def test_a_uuid_of_other_bytes_is_refused(row: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^id must be UUID, not Short$"):
        row.read_row([Short(int=1)], 0, ("id",), ID, ("pay",), dict)


def test_what_is_no_json_is_refused(row: ModuleType) -> None:
    with pytest.raises(msgspec.DecodeError):
        row.read_row(record(data="{"), 0, FIELDS, KINDS, PREFIXES, Thing)


@pytest.mark.parametrize("at", [-1, 1, 2**31, 2**63, -(2**70)])
def test_columns_beyond_the_record_are_refused(row: ModuleType, at: int) -> None:
    with pytest.raises(ValueError, match=f"^the record has no 8 columns from {at} on$"):
        row.read_row(record(), at, FIELDS, KINDS, PREFIXES, Thing)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"at": True}, TypeError, "at must be int, not bool"),
        ({"at": "0"}, TypeError, "at must be int, not str"),
        ({"fields": [*FIELDS]}, TypeError, "fields must be a tuple, not list"),
        ({"fields": (*FIELDS[:-1], 8)}, TypeError, "field must be str, not int"),
        ({"fields": FIELDS[:-1]}, ValueError, "fields, kinds and prefixes must be as many"),
        ({"prefixes": ()}, ValueError, "fields, kinds and prefixes must be as many"),
        ({"prefixes": [*PREFIXES]}, TypeError, "prefixes must be a tuple, not list"),
        ({"prefixes": (None,) * 8}, TypeError, "prefix of id must be str, not NoneType"),
        ({"kinds": KINDS + TEXT}, ValueError, "fields, kinds and prefixes must be as many"),
        ({"kinds": KINDS[:-1] + b"?"}, ValueError, "63 is no kind of column"),
        ({"kinds": KINDS.decode()}, TypeError, "kinds must be bytes, not str"),
        ({"record": 5}, TypeError, "object of type 'int' has no len()"),
        ({"value": Part}, TypeError, "Unexpected keyword argument 'id'"),
        ({"value": 5}, TypeError, None),
    ],
)
def test_what_does_not_fit_is_refused(
    row: ModuleType, arguments: dict[str, Any], error: type[Exception], message: str | None
) -> None:
    given = {
        "record": record(),
        "at": 0,
        "fields": FIELDS,
        "kinds": KINDS,
        "prefixes": PREFIXES,
        "value": Thing,
    } | arguments
    with pytest.raises(error) as caught:
        row.read_row(*given.values())
    if message is not None:
        assert str(caught.value) == message


def test_the_door_shows_every_kind() -> None:
    shown = {getattr(door, name) for name in door.__all__ if name.isupper()}
    assert shown == {*(bytes([kind]) for kind in KINDS), door.UNIT, door.GROUP, NULL}
