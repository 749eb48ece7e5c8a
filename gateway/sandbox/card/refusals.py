"""What the pretend Stripe refuses with: an HTTP status and the `error` object of its API.

Law: two kinds. What fails before anything is carried out (the key, the parameters, a concurrent
request with the same idempotency key) is not kept under the idempotency key; what fails in being
carried out (a declined card, a state that does not fit, an error of its own) is `executed` and
kept, as a success is. Source: Stripe API reference, "Errors", "Idempotent requests".
"""

from typing import Any, Final

BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
CARD_REFUSED: Final = 402
NOT_FOUND: Final = 404
CONFLICT: Final = 409
INTERNAL: Final = 500


class Refusal(Exception):
    """A refused request; `executed` says whether its answer is kept under its idempotency key."""

    def __init__(self, status: int, error: dict[str, Any], *, executed: bool = False) -> None:
        super().__init__(str(error.get("message")))
        self.status = status
        self.error = {name: value for name, value in error.items() if value is not None}
        self.executed = executed

    def to_body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"error": self.error}


def invalid(
    message: str, *, param: str | None = None, code: str | None = None, executed: bool = False
) -> Refusal:
    """A request that is wrong: 400 `invalid_request_error`."""
    error = {"type": "invalid_request_error", "code": code, "param": param, "message": message}
    return Refusal(BAD_REQUEST, error, executed=executed)


def missing(name: str) -> Refusal:
    """A parameter that must be there is not."""
    return invalid(f"Missing required param: {name}.", param=name, code="parameter_missing")


def no_such(what: str, number: str, *, param: str, status: int = NOT_FOUND) -> Refusal:
    """An object that this account does not have."""
    error = {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "param": param,
        "message": f"No such {what}: '{number}'",
    }
    return Refusal(status, error)


def unauthorized() -> Refusal:
    """No key, or one that is nobody's; the key is not shown."""
    error = {"type": "invalid_request_error", "message": "Invalid API Key provided."}
    return Refusal(UNAUTHORIZED, error)


def unexpected_state(intent: dict[str, Any], wanted: str) -> Refusal:
    """The intent's state does not allow it; the intent is shown."""
    error = {
        "type": "invalid_request_error",
        "code": "payment_intent_unexpected_state",
        "message": f"This PaymentIntent's status is {intent['status']}: it cannot {wanted}.",
        "payment_intent": intent,
    }
    return Refusal(BAD_REQUEST, error, executed=True)


def declined(intent: dict[str, Any], failure: dict[str, Any]) -> Refusal:
    """The card was refused: 402; the intent is shown as it is then."""
    error = {"type": "card_error", **failure, "payment_intent": intent}
    return Refusal(CARD_REFUSED, error, executed=True)


def key_reused() -> Refusal:
    """The idempotency key was used with other parameters."""
    message = "Keys for idempotent requests can only be used with the same parameters."
    return Refusal(BAD_REQUEST, {"type": "idempotency_error", "message": message})


def key_in_use() -> Refusal:
    """Another request with this idempotency key is being carried out."""
    error = {
        "type": "idempotency_error",
        "code": "idempotency_key_in_use",
        "message": "There is another request in progress with this idempotency key.",
    }
    return Refusal(CONFLICT, error)


def internal() -> Refusal:
    """An error of Stripe's own; kept under the key, as every executed answer."""
    error = {"type": "api_error", "message": "An unknown error occurred."}
    return Refusal(INTERNAL, error, executed=True)
