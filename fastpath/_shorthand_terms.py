"""The phrases both twins of `fastpath.shorthand` share, and the signs that stand for them.

Law. Only names and values, no decision. What a sign stands for never changes, because texts that
hold it are stored for good; phrases are only added, and each begins with a comma and a quote. Ids
stay whole, and no phrase holds a `"status"`, an `"amount"` or a `"currency"`: who searches what is
stored finds them as they are told.
"""

from typing import Final

BEGINNING: Final = ',"'

PHRASES: Final = {
    "\x01": ',"object":"payment","merchant_order_no":"',
    "\x02": ',"method":null,"channel":null,"channel_account_id":null,"attempt_id":null',
    "\x03": (
        ',"channel_order_no":null,"capture_method":"automatic","amount_authorized":0'
        ',"amount_capturable":0,"amount_captured":0,"amount_refunded":0,"amount_refund_pending":0'
        ',"amount_received":0,"amount_disputed":0,"fee_amount":0,"payer_amount":null'
        ',"discount_amount":null,"next_action":{"type":"'
    ),
    "\x04": ',"cashier_url":null,"return_url":null,"notify_url":',
    "\x05": ',"customer":null,"metadata":{',
    "\x06": ',"capture_before":null,"created_at":"',
    "\x07": ',"succeeded_at":null,"canceled_at":null,"expired_at":null,"version":',
    "\x08": ',"livemode":true,"error":null}',
    "\x0e": ',"livemode":false,"error":null}',
    "\x0f": ',"capture_method":"automatic","amount_authorized":',
    "\x10": ',"amount_capturable":0,"amount_captured":',
    "\x11": ',"amount_refunded":0,"amount_refund_pending":0,"amount_received":',
    "\x12": ',"amount_disputed":0,"fee_amount":0,"payer_amount":',
    "\x13": ',"next_action":{"type":"none"},"cashier_url":null,"return_url":null,"notify_url":',
    "\x14": ',"canceled_at":null,"expired_at":null,"version":',
    "\x15": ',"channel_account_id":"',
    "\x16": ',"attempt_id":"',
    "\x17": ',"channel_order_no":"',
}
"""Sign: a control character that neither parts rows nor breaks a line. No phrase begins another."""
