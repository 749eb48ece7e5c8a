"""How a core is opened: databases, directory, clients and caches.

Law: parts are made, given to each other, and ended in the reverse order, whatever breaks.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from gateway.adapters.http.client import ChannelHttp
from gateway.adapters.local.cache import LocalCache
from gateway.adapters.local.last_writes import LastWrites
from gateway.adapters.local.wakeups import WakeupSender
from gateway.adapters.postgres.directory import PostgresDirectory
from gateway.adapters.postgres.directory_opening import open_directory
from gateway.adapters.postgres.shards import open_shards
from gateway.adapters.system.clock import SystemClock
from gateway.adapters.system.root_keys import read_root_keys
from gateway.adapters.system.vault import Vault
from gateway.app.core import Core
from gateway.app.told import Told
from gateway.center.cache_ports import SharedCache
from gateway.channels.registry import load_registry
from gateway.config import Settings
from gateway.telemetry.metrics import Metrics


@asynccontextmanager
async def open_core(settings: Settings, metrics: Metrics) -> AsyncIterator[Core]:
    """Open databases, directory and clients; everything is ended on the way out.

    Raises `RootKeysUnusable`, `SecretUnreadable`, `shard_unavailable`.
    """
    vault = Vault(read_root_keys(settings.kek_file, os.environ))
    async with AsyncExitStack() as stack:
        last_writes = LastWrites(settings.last_writes)
        stack.callback(last_writes.close)
        told = Told(metrics, last_writes.wrote)
        if settings.wake_socket is not None:
            sender = WakeupSender(settings.wake_socket)
            stack.callback(sender.close)
            told.hint = sender.notify
        shards = await open_shards(
            settings.database_urls, committed=told.committed, observe=metrics.batch
        )
        stack.push_async_callback(shards.close)
        for shard in shards.all:
            metrics.watch_queue(shard.number, partial(getattr, shard.committer, "depth"))
        directory = await open_directory(
            settings.database_urls[0],
            shards=shards,
            vault=vault,
            versions=last_writes,
            observe=metrics.cache("directory"),
        )
        stack.push_async_callback(directory.close)
        cache = open_cache(settings, directory, last_writes, metrics)
        stack.push_async_callback(cache.close)
        http = await stack.enter_async_context(ChannelHttp())
        core = Core(
            settings,
            clock=SystemClock(),
            vault=vault,
            shards=shards,
            directory=directory,
            http=http,
            registry=load_registry(),
            metrics=metrics,
            told=told,
            cache=cache,
            wrote=last_writes.wrote,
        )
        if settings.redis_url is not None:
            stack.push_async_callback(hear_news(settings.redis_url, directory, last_writes))
        stack.push_async_callback(core.register.close)
        yield core


def open_cache(
    settings: Settings, directory: PostgresDirectory, last_writes: LastWrites, metrics: Metrics
) -> LocalCache:
    """The cache of lists: of this process, over one that is shared where there is a Redis."""
    shared: SharedCache | None = None
    if settings.redis_url is not None:
        from gateway.adapters.redis.cache import RedisCache

        key = directory.cursor_keys[max(directory.cursor_keys)]
        shared = RedisCache(settings.redis_url, key=key, failed=metrics.cache_failed)
    return LocalCache(last_writes, shared=shared, observe=metrics.cache("lists"))


def hear_news(
    redis_url: str, directory: PostgresDirectory, last_writes: LastWrites
) -> Callable[[], Awaitable[None]]:
    """Tell other instances of changes of the directory, and hear of theirs; ends by the result."""
    from gateway.adapters.redis.news import DirectoryNews

    heard = last_writes.tell_directory
    news = DirectoryNews(redis_url, house_id=directory.house_id, heard=heard)
    directory.news = news.tell
    news.start()
    return news.close
