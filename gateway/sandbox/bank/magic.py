"""Magic amounts of the pretend bank: sums that arm an outcome without any call to `/faults`.

Law: only the exact sum matters, nothing else has magic.

| sum (yuan) | fen     | outcome                                                             |
|------------|---------|---------------------------------------------------------------------|
| 44401.01   | 4440101 | a transfer to us arrives without the text that the payer wrote      |
| 44401.02   | 4440102 | its text comes in small letters, in groups, with O for 0 and l for 1 |
| 44401.03   | 4440103 | it is booked as two lines                                           |
| 44401.04   | 4440104 | it is pending for a day, then booked                                |
| 44401.11   | 4440111 | a payout is rejected: AC04, the payee's account is closed           |
| 44401.12   | 4440112 | a payout stays pending                                              |
| 44401.13   | 4440113 | a payout is sent and comes back after a day: AC01                   |
"""

from typing import Final

TEXT_LOST_FEN: Final = 4_440_101
TEXT_MANGLED_FEN: Final = 4_440_102
SPLIT_FEN: Final = 4_440_103
PENDING_FEN: Final = 4_440_104
PAYOUT_REJECTED_FEN: Final = 4_440_111
PAYOUT_PENDING_FEN: Final = 4_440_112
PAYOUT_RETURNED_FEN: Final = 4_440_113

PENDING_MS: Final = 24 * 3_600_000
GROUP_CHARS: Final = 4

_MANGLED: Final = str.maketrans("01", "ol")


def mangled(text: str) -> str:
    """A text as people copy it by hand."""
    small = text.lower().translate(_MANGLED)
    groups = [small[at : at + GROUP_CHARS] for at in range(0, len(small), GROUP_CHARS)]
    return " ".join(groups)
