"""The OpenAPI 3.1 document, drawn from the routes.

Law: nothing is told twice. Paths, parameters, bodies, answers and scopes are read from the very
routes that the server resolves, refusals from the catalogue; a route that is added is documented.
Generic over routes: what is special to this API is in the tables at the top and in the schemas.

Sources: OpenAPI 3.1.1, JSON Schema 2020-12, RFC 9457 (problem details).
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from gateway.domain.errors import CATALOGUE
from gateway.web.body import BODY_BYTES_MAX
from gateway.web.reply import JSON, PROBLEM_JSON
from gateway.web.routing import Route

Schema = dict[str, Any]

ANY_MEDIA = "*/*"
OPENAPI = "3.1.1"
SECURITY = "TILL1"
COMPONENTS = "#/components"
QUERY_SCHEMA = "x-text-of"

SIGNED = ("malformed_request", "unauthenticated", "forbidden_scope", "ip_not_allowed")
ALWAYS = (*SIGNED, "rate_limited", "internal_error", "overloaded", "shard_unavailable")
WITH_PLACEHOLDERS = ("not_found",)
WITH_QUERY = ("unknown_field", "invalid_field")
WITH_BODY = ("unknown_field", "invalid_field", "body_too_large", "unsupported_media_type")
THAT_CHANGES = ("outcome_unknown",)
# What a field of this name may be refused with, wherever it stands.
OF_FIELDS: Mapping[str, str] = {
    "amount": "invalid_amount",
    "currency": "invalid_currency",
    "cursor": "invalid_cursor",
    "url": "url_not_allowed",
    "return_url": "url_not_allowed",
    "notify_url": "url_not_allowed",
    "name": "card_number_refused",
    "subject": "card_number_refused",
    "reason": "card_number_refused",
    "description": "card_number_refused",
    "customer": "card_number_refused",
    "method_options": "card_number_refused",
}

SIGNING = """\
Every request is signed:

    Authorization: TILL1-HMAC-SHA256 mch="mch_…",key="key_…",ts="1700000000",nonce="…",sig="…"

The signed message is method, request target, ts, nonce and body, each followed by a line feed:

    METHOD "\\n" REQUEST-TARGET "\\n" TS "\\n" NONCE "\\n" BODY "\\n"

METHOD is in upper case; REQUEST-TARGET is the raw path and, if present, `?` and the raw query,
exactly the bytes of the request line; TS is ten decimal digits of Unix seconds, at most 300 away
from now; NONCE is 16 to 64 of `A-Z a-z 0-9 _ -`; BODY is the raw bytes, empty if there are none.
SIG is standard base64 with padding. Schemes: `TILL1-HMAC-SHA256` (the key is given in base64; sign
with the decoded 32 bytes), `TILL1-ED25519`, `TILL1-SHA256-RSA2048` (PKCS #1 v1.5). The roles of an
operation are the scopes that the key needs.\
"""

PAST_THE_CACHE: Schema = {
    "name": "Cache-Control",
    "in": "header",
    "required": False,
    "description": (
        "`no-cache`: the list as it is now. Without it, it may be up to a second old, but never "
        "older than a write that the same instance has answered."
    ),
    "schema": {"type": "string", "examples": ["no-cache"]},
}

_HEADERS: Mapping[str, tuple[str, Schema]] = {
    "Request-Id": ("Names the request in the logs; tell it when you ask for help.", {}),
    "Date": ("When the answer was made.", {}),
    "Location": ("The path of what was created.", {"format": "uri-reference"}),
    "Idempotent-Replayed": (
        "Present where the request repeats one that was carried out before: the answer is the "
        "object as it is now.",
        {"enum": ["true"]},
    ),
    "Retry-After": ("Whole seconds to wait before the next try.", {"pattern": "^[0-9]+$"}),
    "WWW-Authenticate": ("The schemes that are understood.", {}),
}
_ON_EVERY_ANSWER = ("Request-Id", "Date")
_ON_REFUSALS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
_SOMETIMES = frozenset({"Retry-After"})
_RETRY_LATER = frozenset({"attempt_unknown"})


def document(
    routes: Iterable[Route],
    *,
    title: str,
    version: str,
    description: str,
    problem: type[msgspec.Struct],
    placeholders: Mapping[str, Any],
) -> Schema:
    """The document of `routes`. `problem` is the schema of refusals; `placeholders` gives the type
    of placeholders of the paths (text, if none is given).

    Raises KeyError for a code that is not in the catalogue.
    """
    listed = list(routes)
    types = [problem, *(kind for route in listed for kind in _answers(route))]
    types += [route.body for route in listed if route.body is not None]
    unique = list(dict.fromkeys(types))
    template = COMPONENTS + "/schemas/{name}"
    references, schemas = msgspec.json.schema_components(unique, ref_template=template)
    reference_of = dict(zip(unique, references, strict=True))
    paths: dict[str, Schema] = {}
    for route in listed:
        drawn = _operation(route, reference_of, reference_of[problem], placeholders)
        paths.setdefault(route.pattern, {})[route.method.lower()] = drawn
    headers = {
        name: {
            "description": said,
            "required": name not in _SOMETIMES,
            "schema": {"type": "string", **schema},
        }
        for name, (said, schema) in _HEADERS.items()
    }
    signing = {"type": "apiKey", "in": "header", "name": "Authorization", "description": SIGNING}
    return {
        "openapi": OPENAPI,
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": headers,
            "securitySchemes": {SECURITY: signing},
        },
    }


def refusals(route: Route) -> list[str]:
    """The codes that an operation may be refused with, in the order of the catalogue."""
    codes = set(route.refusals)
    if route.scope is not None:
        codes.update(ALWAYS)
        # What no operation reads is refused, in a query as in a body.
        codes.update(WITH_QUERY)
        if route.placeholders:
            codes.update(WITH_PLACEHOLDERS)
        if route.method != "GET":
            codes.update(THAT_CHANGES)
        for schema in (route.query, route.body):
            if schema is not None:
                codes.update(OF_FIELDS[n] for n in schema.__struct_fields__ if n in OF_FIELDS)
        if route.body is not None:
            codes.update(WITH_BODY)
            if any(field.required for field in msgspec.structs.fields(route.body)):
                codes.add("missing_field")
    unknown = codes - CATALOGUE.keys()
    if unknown:
        raise KeyError(f"{route.name} names codes that do not exist: {sorted(unknown)}")
    return [code for code in CATALOGUE if code in codes]


def _answers(route: Route) -> tuple[Any, ...]:
    """The types that a route answers, none for a media type."""
    if route.answer is None or isinstance(route.answer, str):
        return ()
    return route.answer if isinstance(route.answer, tuple) else (route.answer,)


def _operation(
    route: Route,
    reference_of: Mapping[Any, Schema],
    problem: Schema,
    placeholders: Mapping[str, Any],
) -> Schema:
    drawn: Schema = {
        "operationId": route.name,
        "tags": [_tag(route)],
        "summary": route.summary,
        "security": [] if route.scope is None else [{SECURITY: [route.scope]}],
    }
    parameters = [*_path_parameters(route, placeholders), *_query_parameters(route)]
    if route.kept:
        parameters.append(PAST_THE_CACHE)
    if parameters:
        drawn["parameters"] = parameters
    if route.body is not None:
        drawn["requestBody"] = {
            "description": f"At most {BODY_BYTES_MAX} bytes. Null members count as absent.",
            "required": any(field.required for field in msgspec.structs.fields(route.body)),
            "content": {JSON: {"schema": reference_of[route.body]}},
        }
    elif route.raw:
        drawn["requestBody"] = {
            "description": f"At most {BODY_BYTES_MAX} bytes, of any media type.",
            "required": True,
            "content": {ANY_MEDIA: {}},
        }
    drawn["responses"] = {
        **_successes(route, reference_of),
        **_refusals(route, problem),
    }
    return drawn


def _tag(route: Route) -> str:
    """The collection that a route belongs to: the first literal behind the version."""
    segments = [part for part in route.pattern.split("/") if part and not part.startswith("{")]
    if segments[:1] == ["admin"]:
        return "administration"
    return (segments[1] if segments[0] == "v1" else segments[0]).replace("_", " ")


def _path_parameters(route: Route, placeholders: Mapping[str, Any]) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": msgspec.json.schema(placeholders.get(name, str)),
        }
        for name in route.placeholders
    ]


def _query_parameters(route: Route) -> list[Schema]:
    if route.query is None:
        return []
    schema = msgspec.json.schema(route.query)
    drawn = next(iter(schema["$defs"].values()))
    return [
        {
            "name": name,
            "in": "query",
            "required": name in drawn["required"],
            "schema": _plain(property_),
        }
        for name, property_ in drawn["properties"].items()
    ]


def _plain(schema: Schema) -> Schema:
    """A parameter's schema: without null, and of the type that its text stands for."""
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            schema = {**choice, **{key: schema[key] for key in schema if key != "anyOf"}}
    plain = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    if QUERY_SCHEMA in plain:
        plain["type"] = plain.pop(QUERY_SCHEMA)
    return plain


def _headers(*names: str) -> Schema:
    return {name: {"$ref": f"{COMPONENTS}/headers/{name}"} for name in (*_ON_EVERY_ANSWER, *names)}


def _successes(route: Route, reference_of: Mapping[Any, Schema]) -> Schema:
    content: Schema = {}
    if isinstance(route.answer, str):
        content = {route.answer: {"schema": {"type": "string"}}}
    elif route.answer is not None:
        kinds = [reference_of[kind] for kind in _answers(route)]
        content = {JSON: {"schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}}

    def answer(status: int, *headers: str, description: str = "") -> Schema:
        said: Schema = {"description": description or HTTPStatus(status).phrase}
        said["headers"] = _headers(*headers)
        return {str(status): said | ({"content": content} if content else {})}

    if route.status == 201:
        repeated = "The request repeats an earlier one: the object as it is now"
        return {
            **answer(201, "Location"),
            **answer(200, "Idempotent-Replayed", description=repeated),
        }
    return answer(route.status)


def _refusals(route: Route, problem: Schema) -> Schema:
    by_status: dict[int, list[str]] = {}
    for code in refusals(route):
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    drawn: Schema = {}
    for status, codes in sorted(by_status.items()):
        headers = [_ON_REFUSALS[status]] if status in _ON_REFUSALS else []
        if _RETRY_LATER.intersection(codes):
            headers.append("Retry-After")
        drawn[str(status)] = {
            "description": "; ".join(f"`{code}`: {CATALOGUE[code].title}" for code in codes),
            "headers": _headers(*headers),
            "content": {
                PROBLEM_JSON: {
                    "schema": {**problem, "properties": {"code": {"enum": codes}}},
                }
            },
        }
    return drawn
