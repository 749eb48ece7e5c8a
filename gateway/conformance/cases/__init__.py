"""The cases by subject; `MODULES` is the order in which they run."""

from types import ModuleType

from gateway.conformance.cases import (
    answer,
    bits,
    by_hand,
    callback,
    cancel,
    close,
    contract,
    expiry,
    hold,
    keys,
    pay,
    refund,
    sms,
    statement,
    transfer,
)

# Statements come last: they move the clock to another day.
MODULES: tuple[ModuleType, ...] = (
    contract,
    pay,
    sms,
    by_hand,
    callback,
    answer,
    bits,
    close,
    cancel,
    refund,
    hold,
    keys,
    transfer,
    expiry,
    statement,
)
