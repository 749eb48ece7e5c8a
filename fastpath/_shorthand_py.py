"""Pure twin of `fastpath.shorthand`: the specification.

Law. Each phrase of `PHRASES` is replaced by its sign, from the left. JSON text holds no control
character, so whatever its phrases are it comes back as it was, and a text that was never shortened
is read as it is.
"""

import re
from typing import Final

from fastpath._arguments import wrong_type
from fastpath._shorthand_terms import PHRASES

_SIGNS: Final = {phrase: sign for sign, phrase in PHRASES.items()}
_PHRASE: Final = re.compile("|".join(map(re.escape, _SIGNS)))
_SIGN: Final = re.compile(f"[{''.join(PHRASES)}]")


def shorten(text: str) -> str:
    """What is stored for a text without control characters. Raises TypeError for what is no str."""
    if type(text) is not str:
        raise wrong_type("text", "str", text)
    return _PHRASE.sub(lambda found: _SIGNS[found[0]], text)


def lengthen(stored: str) -> str:
    """The text that was stored. Raises TypeError for what is no str."""
    if type(stored) is not str:
        raise wrong_type("stored", "str", stored)
    return _SIGN.sub(lambda found: PHRASES[found[0]], stored)
