"""Secrecy: whether a secret of the account shows where it must not.

Law: a secret is recognised by any stretch of it, not only whole; what is found is told by the name
of the credential, never by its text.
"""

import json
from urllib.parse import unquote_plus

from gateway.channels.codec import AccountView, Codec
from gateway.conformance.judgement import fail

STRETCH_CHARS = 24
SECRET_CHARS_MIN = 8
PEM_MARK = "-----"


class SecretSigns:
    """The stretches by which the secrets of an account are recognised."""

    def __init__(self, codec: Codec, account: AccountView) -> None:
        self._signs = {
            name: _stretches(account.credentials[name])
            for name in sorted(codec.secret_names)
            if len(account.credentials.get(name, "")) >= SECRET_CHARS_MIN
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The secrets that are looked for."""
        return tuple(self._signs)

    def expect_none(self, text: str, where: str) -> None:
        """Raise `Violation` if `text`, as it is or decoded, shows a stretch of a secret."""
        spellings = (text, unquote_plus(text), json.dumps(text))
        for name, stretches in self._signs.items():
            for stretch in stretches:
                if any(stretch in spelling for spelling in spellings):
                    fail(f"{where} shows the secret {name}")


def _stretches(secret: str) -> tuple[str, ...]:
    """The middle of each line that is not a PEM's frame; a short secret is one stretch."""
    lines = [line for line in secret.splitlines() if line and PEM_MARK not in line]
    found = []
    for line in lines or [secret]:
        middle = max(0, (len(line) - STRETCH_CHARS) // 2)
        stretch = line[middle : middle + STRETCH_CHARS]
        if len(stretch) >= SECRET_CHARS_MIN:
            found.append(stretch)
    return tuple(found)
