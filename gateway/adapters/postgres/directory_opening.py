"""How a directory is opened: loaded before anybody asks it, then followed.

Law: a directory that cannot be read is not opened, and leaves no connection behind.
"""

from collections.abc import Callable

from gateway.adapters.postgres.connect import open_pool
from gateway.adapters.postgres.directory import PostgresDirectory
from gateway.adapters.postgres.directory_versions import Versions
from gateway.adapters.postgres.shards import Shards
from gateway.center.ports import Vault

CONNECTIONS_MAX = 4


async def open_directory(
    dsn: str,
    *,
    shards: Shards,
    vault: Vault,
    versions: Versions | None = None,
    observe: Callable[[str], None] = lambda outcome: None,
) -> PostgresDirectory:
    """The directory of the first database, loaded, its shard map given to `shards`, followed.

    Raises `shard_unavailable` if it cannot be read, `SecretUnreadable` for another vault's.
    """
    pool = await open_pool(dsn, size_max=CONNECTIONS_MAX)
    directory = PostgresDirectory(
        pool, shards=shards, vault=vault, versions=versions, observe=observe
    )
    try:
        await directory.load()
    except BaseException:
        await pool.close()
        raise
    directory.start()
    return directory
