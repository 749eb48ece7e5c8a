"""Magic amounts: totals that arm an outcome without any call to `/faults`.

Law: only the exact total matters, nothing else has magic; what is called "first" works on the
first message it speaks of and spares every repeat, so that a client that does the right thing gets
through. Besides them, as in reality, a payer's code is charged at once below 1 000 yuan and asks
the payer for a password from there on.

| total (yuan) | fen     | outcome                                                              |
|--------------|---------|----------------------------------------------------------------------|
| 44400.01     | 4440001 | the order is declined: 403 RULE_LIMIT                                |
| 44400.02     | 4440002 | the first order takes effect, then the connection is cut             |
| 44400.03     | 4440003 | the first notification of the payment has a false signature          |
| 44400.04     | 4440004 | the first notification of the payment names one fen too much         |
| 44400.05     | 4440005 | the payer is short: the payment is declined, a code 403 NOT_ENOUGH   |
| 44400.06     | 4440006 | the first notification of the payment is a probe                     |
| 44400.07     | 4440007 | refunds are PROCESSING for 5 s, then SUCCESS                         |
| 44400.08     | 4440008 | refunds are PROCESSING for 5 s, then ABNORMAL                        |
| 44400.09     | 4440009 | refunds are PROCESSING for 5 s, then CLOSED                          |
| 44400.10     | 4440010 | a payer's code is refused: 400 AUTH_CODE_INVALID                     |
| 44400.11     | 4440011 | a transfer is refused: 403 NOT_ENOUGH                                |
| 44400.12     | 4440012 | a transfer fails when the payee confirms it                          |
"""

from typing import Final

ORDER_DECLINED_FEN: Final = 4_440_001
ORDER_CUT_FEN: Final = 4_440_002
NOTIFICATION_FALSE_FEN: Final = 4_440_003
NOTIFICATION_WRONG_FEN: Final = 4_440_004
PAYER_SHORT_FEN: Final = 4_440_005
NOTIFICATION_PROBE_FEN: Final = 4_440_006
REFUND_SLOW_FEN: Final = 4_440_007
REFUND_ABNORMAL_FEN: Final = 4_440_008
REFUND_CLOSED_FEN: Final = 4_440_009
CODE_REFUSED_FEN: Final = 4_440_010
TRANSFER_SHORT_FEN: Final = 4_440_011
TRANSFER_FAILS_FEN: Final = 4_440_012

PASSWORD_FEN_MIN: Final = 100_000
"""From 1 000 yuan on, a payer's code asks for the password."""

REFUND_SLOW_MS: Final = 5_000
REFUND_FATES: Final = {
    REFUND_SLOW_FEN: "SUCCESS",
    REFUND_ABNORMAL_FEN: "ABNORMAL",
    REFUND_CLOSED_FEN: "CLOSED",
}
FIRST_NOTIFICATION_FAULTS: Final = {
    NOTIFICATION_FALSE_FEN: "bad_signature",
    NOTIFICATION_WRONG_FEN: "wrong_amount",
    NOTIFICATION_PROBE_FEN: "probe",
}
