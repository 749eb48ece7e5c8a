"""The OpenAPI document is drawn from routes and says all that they say."""

from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest
from msgspec import Meta, Struct

from gateway.domain.errors import CATALOGUE
from gateway.web.openapi import SECURITY, document, refusals
from gateway.web.routing import Route


class Cup(Struct):
    """A cup of tea."""

    id: str
    amount: Annotated[int, Meta(ge=1)]


class CupList(Struct):
    """Cups."""

    data: list[Cup]


class NewCup(Struct, forbid_unknown_fields=True):
    """What a cup is made of."""

    amount: int
    url: str | None = None


class CupsQuery(Struct):
    """Which cups."""

    limit: Annotated[str, Meta(extra_json_schema={"x-text-of": "integer", "maximum": 9})] | None = (
        None
    )
    colour: str | None = None
    cursor: str | None = None


class Fault(Struct):
    """A refusal."""

    code: str


async def handle(request: Any) -> Any:
    """Never called here."""


CUPS = "/v1/tea_cups"
MAKE = Route(
    "POST",
    CUPS,
    handle,
    "make_cup",
    "payments.write",
    status=201,
    summary="Make a cup.",
    body=NewCup,
    answer=Cup,
    refusals=("order_no_conflict", "attempt_unknown"),
)
LIST = Route(
    "GET",
    CUPS,
    handle,
    "list_cups",
    "payments.read",
    kept=True,
    query=CupsQuery,
    answer=(CupList, Cup),
)
GET = Route("GET", CUPS + "/{cup_id}", handle, "get_cup", "payments.read", answer=Cup)
DROP = Route("DELETE", CUPS + "/{cup_id}", handle, "drop_cup", "payments.write", status=204)
LIVE = Route("GET", "/livez", handle, "livez", answer="text/plain")
ADMIN = Route("GET", "/admin/v1/cups", handle, "admin_cups", "admin.read", answer=CupList)
ROUTES = (MAKE, LIST, GET, DROP, LIVE, ADMIN)


@pytest.fixture
def drawn() -> dict[str, Any]:
    return document(
        ROUTES,
        title="Tea",
        version="1",
        description="Cups.",
        problem=Fault,
        placeholders={"cup_id": Annotated[str, Meta(pattern="^cup_")]},
    )


def test_every_route_is_an_operation(drawn: dict[str, Any]) -> None:
    found = {
        (method.upper(), path): operation["operationId"]
        for path, methods in drawn["paths"].items()
        for method, operation in methods.items()
    }
    assert found == {(route.method, route.pattern): route.name for route in ROUTES}
    assert drawn["paths"][CUPS]["post"]["tags"] == ["tea cups"]
    assert drawn["paths"]["/admin/v1/cups"]["get"]["tags"] == ["administration"]
    assert msgspec.json.decode(msgspec.json.encode(drawn)) == drawn


def test_every_reference_leads_somewhere(drawn: dict[str, Any]) -> None:
    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            found = {value["$ref"]} if "$ref" in value else set()
            return found.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    found = references(drawn)
    assert len(found) > 5
    for reference in found:
        place: Any = drawn
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_scopes_become_roles(drawn: dict[str, Any]) -> None:
    assert drawn["paths"][CUPS]["post"]["security"] == [{SECURITY: ["payments.write"]}]
    assert drawn["paths"]["/livez"]["get"]["security"] == []
    scheme = drawn["components"]["securitySchemes"][SECURITY]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "Authorization")


def test_parameters(drawn: dict[str, Any]) -> None:
    (in_path,) = drawn["paths"][CUPS + "/{cup_id}"]["get"]["parameters"]
    assert in_path == {
        "name": "cup_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^cup_"},
    }
    by_name = {each["name"]: each for each in drawn["paths"][CUPS]["get"]["parameters"]}
    assert by_name["limit"]["schema"] == {"type": "integer", "maximum": 9}
    assert by_name["colour"]["schema"] == {"type": "string"}
    assert not any(each["required"] for each in by_name.values())
    assert by_name["Cache-Control"]["schema"]["type"] == "string"


def test_what_may_be_kept_says_how_to_go_past(drawn: dict[str, Any]) -> None:
    said = {
        (path, each["name"])
        for path, methods in drawn["paths"].items()
        for operation in methods.values()
        for each in operation.get("parameters", ())
        if each["in"] == "header"
    }
    assert said == {(CUPS, "Cache-Control")}


def test_answers(drawn: dict[str, Any]) -> None:
    made = drawn["paths"][CUPS]["post"]["responses"]
    cup = {"$ref": "#/components/schemas/Cup"}
    assert made["201"]["content"] == {"application/json": {"schema": cup}}
    assert "Location" in made["201"]["headers"] and "Location" not in made["200"]["headers"]
    assert "Idempotent-Replayed" in made["200"]["headers"]
    listed = drawn["paths"][CUPS]["get"]["responses"]["200"]["content"]["application/json"]
    assert listed["schema"]["anyOf"] == [{"$ref": "#/components/schemas/CupList"}, cup]
    dropped = drawn["paths"][CUPS + "/{cup_id}"]["delete"]["responses"]
    assert "content" not in dropped["204"] and "200" not in dropped
    alive = drawn["paths"]["/livez"]["get"]["responses"]
    assert alive["200"]["content"] == {"text/plain": {"schema": {"type": "string"}}}
    assert list(alive) == ["200"]
    for operation in (made, dropped):
        for answer in operation.values():
            assert {"Date", "Request-Id"} <= set(answer["headers"])


def test_refusals(drawn: dict[str, Any]) -> None:
    made = drawn["paths"][CUPS]["post"]["responses"]
    assert set(made) >= {"400", "401", "403", "409", "413", "415", "429", "500", "503"}
    assert "404" not in made
    assert "Retry-After" in made["429"]["headers"] and "Retry-After" in made["503"]["headers"]
    assert "Retry-After" in made["409"]["headers"]
    assert "WWW-Authenticate" in made["401"]["headers"]
    schema = made["409"]["content"]["application/problem+json"]["schema"]
    assert schema["properties"]["code"]["enum"] == ["order_no_conflict", "attempt_unknown"]
    judge = jsonschema_rs.Draft202012Validator({**schema, "components": drawn["components"]})
    assert judge.is_valid({"code": "attempt_unknown"})
    assert not judge.is_valid({"code": "invalid_state"})
    assert not judge.is_valid({})


def test_codes_follow_from_the_shape_of_a_route() -> None:
    assert "not_found" in refusals(GET) and "not_found" not in refusals(LIST)
    assert "invalid_cursor" in refusals(LIST) and "invalid_cursor" not in refusals(MAKE)
    assert {"invalid_amount", "url_not_allowed", "missing_field"} <= set(refusals(MAKE))
    assert "outcome_unknown" in refusals(DROP) and "outcome_unknown" not in refusals(GET)
    assert "invalid_currency" not in refusals(MAKE)
    assert refusals(LIVE) == []
    for route in ROUTES:
        codes = refusals(route)
        assert codes == [code for code in CATALOGUE if code in codes]


def test_a_code_that_does_not_exist_is_refused() -> None:
    with pytest.raises(KeyError, match="make_cup"):
        refusals(MAKE._replace(refusals=("cup_is_empty",)))
