"""Magic amounts: totals that arm an outcome without any call to `/faults`.

Law: only the exact total matters, nothing else has magic; each works on the first message it
speaks of and spares every repeat, so that a client that does the right thing gets through.

| total (yuan) | fen     | outcome                                                              |
|--------------|---------|----------------------------------------------------------------------|
| 44400.01     | 4440001 | precreate is declined: 40004 ACQ.TOTAL_FEE_EXCEED                    |
| 44400.02     | 4440002 | the first precreate takes effect, then the connection is cut         |
| 44400.03     | 4440003 | the first notification of the payment has a false signature          |
| 44400.04     | 4440004 | the first notification of the payment names one fen too much         |
| 44400.05     | 4440005 | the payer's wallet is short: the payment is declined                 |
"""

from typing import Final

PRECREATE_DECLINED_FEN: Final = 4_440_001
PRECREATE_CUT_FEN: Final = 4_440_002
NOTIFICATION_FALSE_FEN: Final = 4_440_003
NOTIFICATION_WRONG_FEN: Final = 4_440_004
PAYER_DECLINED_FEN: Final = 4_440_005

FIRST_NOTIFICATION_FAULTS: Final = {
    NOTIFICATION_FALSE_FEN: "bad_signature",
    NOTIFICATION_WRONG_FEN: "wrong_amount",
}
