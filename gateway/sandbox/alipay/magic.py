"""Magic amounts and payers' codes: they arm an outcome without any call to `/faults`.

Law: only the exact total, or the last four digits of a payer's code, matter; nothing else has
magic. Those that disturb a message work on the first of its kind and spare every repeat, so that a
client that does the right thing gets through.

| total (yuan) | fen     | outcome                                                              |
|--------------|---------|----------------------------------------------------------------------|
| 44400.01     | 4440001 | the order is declined: 40004 ACQ.TOTAL_FEE_EXCEED (a hold: 40004      |
|              |         | ILLEGAL_ARGUMENT)                                                    |
| 44400.02     | 4440002 | the first create takes effect, then the connection is cut            |
| 44400.03     | 4440003 | the first notification of the payment has a false signature          |
| 44400.04     | 4440004 | the first notification of the payment names one fen too much         |
| 44400.05     | 4440005 | the payer's wallet is short: the payment is declined                 |
| 44400.06     | 4440006 | with a payer's code: the payer must confirm first (10003)            |
| 44400.11     | 4440011 | a transfer is refused: 40004 PAYER_BALANCE_NOT_ENOUGH                |
| 44400.12     | 4440012 | a transfer is DEALING, and succeeds after a minute                   |
| 44400.13     | 4440013 | a transfer is DEALING, and fails after a minute                      |
| 44400.14     | 4440014 | a transfer succeeds, and comes back after a minute                   |

| a payer's code ends with | outcome                                        |
|--------------------------|------------------------------------------------|
| 0003                     | the payer must confirm first (10003)           |
| 0004                     | the payer's wallet is short                    |
| 0005                     | the code is not valid                          |
"""

from datetime import timedelta
from typing import Final

from gateway.sandbox.moments import MILLISECOND

ORDER_DECLINED_FEN: Final = 4_440_001
CREATE_CUT_FEN: Final = 4_440_002
NOTIFICATION_FALSE_FEN: Final = 4_440_003
NOTIFICATION_WRONG_FEN: Final = 4_440_004
PAYER_DECLINED_FEN: Final = 4_440_005
PAYER_WAITS_FEN: Final = 4_440_006
TRANSFER_REFUSED_FEN: Final = 4_440_011
TRANSFER_SLOW_FEN: Final = 4_440_012
TRANSFER_FAILS_FEN: Final = 4_440_013
TRANSFER_RETURNS_FEN: Final = 4_440_014

CODE_WAITS: Final = "0003"
CODE_SHORT: Final = "0004"
CODE_INVALID: Final = "0005"

TRANSFER_TAKES_MS: Final = timedelta(minutes=1) // MILLISECOND

FIRST_NOTIFICATION_FAULTS: Final = {
    NOTIFICATION_FALSE_FEN: "bad_signature",
    NOTIFICATION_WRONG_FEN: "wrong_amount",
}


def payer_waits(amount: int, auth_code: str) -> bool:
    """Whether the payer of a barcode must confirm on the phone."""
    return amount == PAYER_WAITS_FEN or auth_code.endswith(CODE_WAITS)


def payer_is_short(amount: int, auth_code: str = "") -> bool:
    """Whether the payer has too little money."""
    return amount == PAYER_DECLINED_FEN or auth_code.endswith(CODE_SHORT)
