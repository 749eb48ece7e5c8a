"""Magic amounts and the code by SMS: outcomes without any call to `/faults`.

Law: only the exact amount matters, nothing else has magic; each works on the first message it
speaks of and spares every repeat, so that a client that does the right thing gets through.

| amount (yuan) | fen     | outcome                                                             |
|---------------|---------|---------------------------------------------------------------------|
| 44400.01      | 4440001 | a QR code and an SMS are refused: 33                                |
| 44400.02      | 4440002 | the first request for a QR code takes effect, then the line is cut  |
| 44400.03      | 4440003 | the first notification of the payment has a false signature         |
| 44400.04      | 4440004 | the first notification of the payment names one fen too much        |
| 44400.05      | 4440005 | the payer's card is short of money: declined with 64                |

The code by SMS is always 111111; any other is answered 71. After five wrong ones: 37.
"""

from typing import Final

REFUSED_FEN: Final = 4_440_001
QR_CUT_FEN: Final = 4_440_002
NOTIFICATION_FALSE_FEN: Final = 4_440_003
NOTIFICATION_WRONG_FEN: Final = 4_440_004
PAYER_DECLINED_FEN: Final = 4_440_005

FIRST_NOTIFICATION_FAULTS: Final = {
    NOTIFICATION_FALSE_FEN: "bad_signature",
    NOTIFICATION_WRONG_FEN: "wrong_amount",
}

SMS_CODE: Final = "111111"
SMS_TRIES_MAX: Final = 5
