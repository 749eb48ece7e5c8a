"""The catalogue of errors: every refusal a client can meet, with its code, status and way out.

Law: one catalogue. Answers, documents and the client's exceptions are generated from `CATALOGUE`;
a code that is not listed here cannot be raised. Errors are split by who is at fault: 4xx the
caller, 5xx ourselves; `retryable` means that sending the same request again can help.
Source: RFC 9457 (problem details), `/docs` for the descriptions.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One line of the catalogue: HTTP status, short title, and whether a repeat can help."""

    status: int
    title: str
    retryable: bool = False


CATALOGUE: dict[str, Entry] = {
    "malformed_request": Entry(400, "The request is not well-formed"),
    "invalid_amount": Entry(400, "The amount is not a valid integer of minor units"),
    "invalid_currency": Entry(400, "The currency is not a known upper-case ISO 4217 code"),
    "unknown_field": Entry(400, "The request has a field or parameter that does not exist"),
    "missing_field": Entry(400, "A required field is missing"),
    "invalid_field": Entry(400, "A field has an invalid value"),
    "invalid_cursor": Entry(400, "The cursor does not belong to this list"),
    "card_number_refused": Entry(400, "The text contains what looks like a card number"),
    "url_not_allowed": Entry(400, "The URL is not allowed here"),
    "unauthenticated": Entry(401, "The request is not authenticated"),
    "forbidden_scope": Entry(403, "The key lacks the scope for this operation"),
    "ip_not_allowed": Entry(403, "The key may not be used from this address"),
    "not_found": Entry(404, "There is no such object"),
    "method_not_allowed": Entry(405, "The method is not allowed here"),
    "body_too_large": Entry(413, "The body is too large"),
    "unsupported_media_type": Entry(415, "The body must be plain application/json"),
    "order_no_conflict": Entry(409, "This merchant_order_no was used with other content"),
    "refund_no_conflict": Entry(409, "This merchant_refund_no was used with other content"),
    "invalid_state": Entry(409, "The object's state does not allow this operation"),
    "attempt_unknown": Entry(409, "An earlier channel call has no known outcome yet", True),
    "stale_version": Entry(409, "The object has changed since the given version"),
    "endpoint_exists": Entry(409, "An endpoint with this URL exists with other content"),
    "merchant_ref_conflict": Entry(409, "This merchant_ref was used with other content"),
    "key_ref_conflict": Entry(409, "This key_ref was used with other content"),
    "account_ref_conflict": Entry(409, "This account_ref was used with other content"),
    "receipt_conflict": Entry(409, "This receipt_no was used with other content"),
    "key_exists": Entry(409, "This public key is registered already"),
    "too_many_keys": Entry(409, "The merchant has two active keys of this algorithm already"),
    "too_many_endpoints": Entry(409, "The merchant has as many webhook endpoints as it may have"),
    "refund_exceeds_captured": Entry(422, "The refund exceeds what is left of the captured money"),
    "unsupported_method": Entry(422, "No channel account of the merchant serves this method"),
    "unsupported_currency": Entry(422, "The channel does not take this currency"),
    "amount_below_minimum": Entry(422, "The amount is below the channel's minimum"),
    "amount_mismatch": Entry(422, "The amount is not the one that is expected"),
    "statement_malformed": Entry(422, "The file is not a whole statement of this account"),
    "sms_code_wrong": Entry(422, "The code by SMS is wrong, or was tried too often"),
    "limit_exceeded": Entry(422, "A limit is exceeded"),
    "rate_limited": Entry(429, "Too many requests", True),
    "internal_error": Entry(500, "Something broke on our side", True),
    "overloaded": Entry(503, "The service is overloaded", True),
    "shard_unavailable": Entry(503, "The merchant's shard is not available", True),
    "outcome_unknown": Entry(503, "The request may or may not have been recorded", True),
    "channel_unavailable": Entry(503, "The channel is not available; nothing was recorded", True),
}

RETRY_AFTER_S = 1


class TillgateError(Exception):
    """A refusal with a code of the catalogue.

    `param` is a JSON pointer into the request, `extra` holds further members of the answer
    (such as `payment_status`), `retry_after_s` whole seconds for the Retry-After header.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        param: str | None = None,
        channel_code: str | None = None,
        retry_after_s: int | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        entry = CATALOGUE[code]
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.param = param
        self.channel_code = channel_code
        self.extra = extra or {}
        if retry_after_s is None and entry.status in (429, 503):
            retry_after_s = RETRY_AFTER_S
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status of this refusal."""
        return CATALOGUE[self.code].status

    @property
    def retryable(self) -> bool:
        """Whether sending the same request again can help."""
        return CATALOGUE[self.code].retryable


def not_found() -> TillgateError:
    """The one answer for absent, foreign and ill-formed ids alike."""
    return TillgateError("not_found", "There is no such object, or it is not yours.")


class SecretUnreadable(Exception):
    """A sealed value does not open: another key, another place, or not the bytes we wrote."""


class StreamUnavailable(Exception):
    """The stream of events takes nothing now; what was being appended may or may not be in it."""
