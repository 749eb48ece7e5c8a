"""Intake: what changed in the directory, taken over into memory.

Law: a secret that cannot be opened leaves memory and is logged; it stops nothing else.
"""

import logging
from collections.abc import Sequence
from typing import Any

from gateway.adapters.postgres.directory_memory import DirectoryMemory
from gateway.adapters.postgres.directory_rows import account_of, key_of, merchant_of
from gateway.center.ports import Vault
from gateway.domain import ids
from gateway.domain.errors import SecretUnreadable

log = logging.getLogger("tillgate.directory")


def take_in(
    memory: DirectoryMemory,
    vault: Vault,
    *,
    merchants: Sequence[Any],
    keys: Sequence[Any],
    accounts: Sequence[Any],
) -> None:
    """Take over changed records, each list newest first."""
    memory.keep_merchants([merchant_of(record) for record in reversed(merchants)])
    for record in reversed(keys):
        try:
            memory.keep_keys([key_of(vault, record)])
        except SecretUnreadable:
            key_id = ids.from_uuid("key", record["key_id"])
            memory.forget_key(key_id)
            log.error("key %s cannot be opened", key_id)
    for record in reversed(accounts):
        try:
            memory.keep_accounts([account_of(vault, record)])
        except SecretUnreadable:
            account_id = ids.from_uuid("cac", record["channel_account_id"])
            memory.forget_account(account_id, ids.from_uuid("mch", record["merchant_id"]))
            log.error("channel account %s cannot be opened", account_id)
