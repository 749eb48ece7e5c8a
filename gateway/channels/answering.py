"""Answering: the payer's reply to a step of the channel, such as a code that came by SMS.

Law: as `codec`. An answer is part of its attempt and keeps its number. It moves money at once, so
it is never sent again while in doubt. A wrong answer (`SMS_CODE_WRONG`) is the only refusal after
which the attempt lives on and may be answered again.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from gateway.channels.codec import AccountView, PayOrder, PayOutcome
from gateway.channels.wire import HttpRequest, HttpResponse

SMS_CODE = "sms_code"
SMS_CODE_WRONG = "sms_code_wrong"
ANSWERS_MAX = 5


class Answering(Protocol):
    """A codec with ways that ask the payer something; `answered` are those methods."""

    answered: frozenset[str]

    def build_answer(
        self, account: AccountView, order: PayOrder, answer: Mapping[str, str], now: datetime
    ) -> HttpRequest:
        """Carry `answer` (a member named `sms_code`) to the channel."""
        ...

    def read_answer(
        self, account: AccountView, order: PayOrder, response: HttpResponse
    ) -> PayOutcome:
        """What came of it; `Refused` with code `sms_code_wrong` where another try is allowed."""
        ...
