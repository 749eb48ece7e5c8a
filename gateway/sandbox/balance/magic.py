"""Magic amounts of the pretend wallet service.

Law: only the exact amount of a debit matters, nothing else has magic.

| yuan     | fen     | outcome                                                          |
|----------|---------|------------------------------------------------------------------|
| 44402.01 | 4440201 | the wallet is too short, whatever is in it                       |
| 44402.02 | 4440202 | the first debit takes effect, then the connection is cut         |
| 44402.03 | 4440203 | the answer of the first debit has a false signature              |
"""

from typing import Final

FUNDS_SHORT_FEN: Final = 4_440_201
CUT_FEN: Final = 4_440_202
FALSE_FEN: Final = 4_440_203
