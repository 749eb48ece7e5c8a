"""Key ring: public keys of a channel that change while we run.

Law: as `codec`. A key that is learnt here was proven by one that we hold already, or by a secret of
the account. A message names its key by serial; a codec looks the serial up in the account's own
credentials, then in `AccountView.keys`, and says `UNKNOWN_SERIAL` (in `Unknown.reason`, or as the
reason of `CallbackRefused`) where it finds none, with the serial in `Unknown.channel_code` or
`CallbackRefused.serial`. Then the keys are fetched, at most once a minute and account, and the
message is read once more. Verification is never skipped.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from gateway.channels.codec import AccountView
from gateway.channels.wire import HttpRequest, HttpResponse

UNKNOWN_SERIAL = "unknown_serial"
FETCH_EVERY_S_MIN = 60
KEYS_FRESH_S_MAX = 12 * 3_600


class KeyFetching(Protocol):
    """A codec whose channel gives its keys on request."""

    def build_keys(
        self, account: AccountView, serial: str | None, now: datetime
    ) -> HttpRequest | None:
        """Ask for all keys, or for that of `serial`; None where this account has none to fetch."""
        ...

    def read_keys(
        self, account: AccountView, response: HttpResponse, now: datetime
    ) -> Mapping[str, str]:
        """The proven keys (PEM) by serial; empty where the answer proves none."""
        ...
