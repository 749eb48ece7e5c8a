"""What Stripe's codes mean: the only refusals that Tillgate believes.

Law: a refusal is listed here or it is no refusal. An entry belongs here only if it proves that
*this* request moved and holds no money. Left out on purpose, so that they are `Unknown` and asked
about: every 409, 429 and 5xx, `idempotency_error` (another request has used the number),
`payment_intent_unexpected_state` and `charge_already_captured` (it may be done already),
`charge_already_refunded` (this refund may be the reason).

A bank's reasons that say too much about a payer (`stolen_card`, `fraudulent`) are told as a plain
decline; the reason itself stands in `channel_code`, for the merchant.
Source: Stripe, "Error codes" and "Decline codes".
"""

from collections.abc import Mapping

from gateway.channels.card.answer import Failure, Problem, code_text
from gateway.channels.codec import Refused
from gateway.channels.meanings import refused

CARD_DECLINED = "card_declined"
UNEXPECTED_STATE = "payment_intent_unexpected_state"
RESOURCE_MISSING = "resource_missing"

# `code` of a refused card.
FAILURES: Mapping[str, str] = {
    CARD_DECLINED: "card_declined",
    "expired_card": "card_declined",
    "incorrect_cvc": "card_declined",
    "incorrect_number": "card_declined",
    "incorrect_zip": "card_declined",
    "invalid_cvc": "card_declined",
    "invalid_expiry_month": "card_declined",
    "invalid_expiry_year": "card_declined",
    "invalid_number": "card_declined",
    "card_decline_rate_limit_exceeded": "card_declined",
    "payment_method_provider_decline": "card_declined",
    "insufficient_funds": "payer_funds_short",
    "authentication_required": "authentication_failed",
    "payment_intent_authentication_failure": "authentication_failed",
    "processing_error": "channel_busy",
}

# `decline_code` where it says more than `card_declined`.
DECLINES: Mapping[str, str] = {
    "insufficient_funds": "payer_funds_short",
    "authentication_required": "authentication_failed",
    "authentication_not_handled": "authentication_failed",
    "mobile_device_authentication_required": "authentication_failed",
    "card_velocity_exceeded": "payer_declined",
    "withdrawal_count_limit_exceeded": "payer_declined",
    "issuer_not_available": "channel_busy",
    "processing_error": "channel_busy",
    "reenter_transaction": "channel_busy",
    "try_again_later": "channel_busy",
}

# `code` of a 400 to a create: refused before anything was carried out.
CREATE: Mapping[str, str] = {
    "amount_too_small": "channel_refused",
    "amount_too_large": "amount_limit",
    "parameter_invalid_empty": "channel_refused",
    "parameter_invalid_integer": "channel_refused",
    "parameter_invalid_string_blank": "channel_refused",
    "parameter_invalid_string_empty": "channel_refused",
    "parameter_missing": "channel_refused",
    "parameter_unknown": "channel_refused",
    "parameters_exclusive": "channel_refused",
    "url_invalid": "channel_refused",
    "payment_method_not_available": "channel_refused",
    "payment_method_unexpected_state": "code_unusable",
    "payment_method_unactivated": "channel_misconfigured",
    "payment_method_types_no_longer_supported": "channel_misconfigured",
    "livemode_mismatch": "channel_misconfigured",
    "testmode_charges_only": "channel_misconfigured",
    "account_invalid": "channel_misconfigured",
}

# `code` of a 400 to a capture.
CAPTURE: Mapping[str, str] = {
    "amount_too_large": "amount_limit",
    "capture_charge_authorization_expired": "channel_refused",
    "charge_expired_for_capture": "channel_refused",
    "parameter_invalid_integer": "channel_refused",
    "parameter_missing": "channel_refused",
    "parameter_unknown": "channel_refused",
}

# `code` of a 400 to a refund.
REFUND: Mapping[str, str] = {
    "amount_too_large": "refund_amount_refused",
    "amount_too_small": "refund_amount_refused",
    "charge_disputed": "refund_not_allowed",
    "charge_not_refundable": "refund_not_allowed",
    "refund_disputed_payment": "refund_not_allowed",
    "balance_insufficient": "channel_balance_short",
    "insufficient_funds": "channel_balance_short",
    "parameter_invalid_integer": "channel_refused",
    "parameter_missing": "channel_refused",
    "parameter_unknown": "channel_refused",
}

# `failure_reason` of a refund that came to nothing; the state itself is the proof.
REFUND_FAILURES: Mapping[str, str] = {
    "insufficient_funds": "channel_balance_short",
}

_REFUSED_KEYS = frozenset({"invalid_request_error", "authentication_error"})


def of_failure(failure: Failure | None) -> Refused | None:
    """What a failed try means; None where neither of its codes is listed."""
    if failure is None:
        return None
    meaning = None
    if failure.decline_code is not None:
        meaning = DECLINES.get(failure.decline_code)
    if meaning is None and failure.code is not None:
        meaning = FAILURES.get(failure.code)
    if meaning is None:
        return None
    return refused(meaning, code_text(failure.decline_code or failure.code))


def of_card(problem: Problem) -> Refused | None:
    """What a 402 means; None for another status or an unlisted code."""
    if problem.status != 402:
        return None
    return of_failure(Failure(problem.error.code, problem.error.decline_code))


def of_request(problem: Problem, table: Mapping[str, str]) -> Refused | None:
    """What a 400 means by `table`, or a key that is not taken (401, 403); None if unlisted."""
    error = problem.error
    if problem.status in (401, 403) and error.type in _REFUSED_KEYS:
        return refused("channel_misconfigured", problem.channel_code)
    if problem.status != 400 or error.type != "invalid_request_error" or error.code is None:
        return None
    meaning = table.get(error.code)
    return None if meaning is None else refused(meaning, code_text(error.code))


def of_token(problem: Problem) -> Refused | None:
    """The token of the card does not exist (400 or 404 about `payment_method`); else None."""
    error = problem.error
    missing = error.code == RESOURCE_MISSING and error.param == "payment_method"
    if problem.status in (400, 404) and missing:
        return refused("code_unusable", RESOURCE_MISSING)
    return None
