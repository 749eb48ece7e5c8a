"""News of the directory: instances tell each other that its version has moved.

Law: hints. They may be lost, doubled, late or false, and nothing but freshness depends on them:
every instance asks for the version twice a second anyway. Telling waits for nothing and never
raises; hearing goes on as long as the process, however often Redis goes away.

A message is a version in decimal digits, on a channel named after the installation's house.
"""

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

CHANNEL_PREFIX = "tillgate.directory."
TELL_S_MAX = 0.5
LISTEN_S = 5.0  # then the connection is looked after, and listened to again
RECONNECT_S = 1.0
TELLING_MAX = 16
VERSION_DIGITS_MAX = 18

log = logging.getLogger("tillgate.news")


class DirectoryNews:
    """Tells and hears versions of the directory of the installation whose house is `house_id`.

    Raises ValueError for what is no Redis URL.
    """

    def __init__(self, url: str, *, house_id: str, heard: Callable[[int], None]) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_connect_timeout=TELL_S_MAX,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=LISTEN_S,
            max_connections=TELLING_MAX + 1,
            protocol=2,
        )
        self._channel = CHANNEL_PREFIX + house_id
        self._heard = heard
        self._listening: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self.is_listening = asyncio.Event()

    def start(self) -> None:
        """Begin to listen, in a task that lives until `close`."""
        self._listening = asyncio.get_running_loop().create_task(self._listen())

    def tell(self, version: int) -> None:
        """The directory is at this version now."""
        if len(self._telling) < TELLING_MAX:
            task = asyncio.get_running_loop().create_task(self._tell(version))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _tell(self, version: int) -> None:
        try:
            async with asyncio.timeout(TELL_S_MAX):
                await self._redis.publish(self._channel, str(version))
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("a version was not told: %s", type(error).__name__)

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (RedisError, OSError) as error:
                log.debug("no news of the directory: %s", type(error).__name__)
            except Exception:
                log.exception("news of the directory could not be heard")
            self.is_listening.clear()
            await asyncio.sleep(RECONNECT_S)

    async def _hear(self) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(self._channel)
            while True:
                message = await channel.get_message(timeout=LISTEN_S)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self.is_listening.set()
                elif message["type"] == "message":
                    text = message["data"]
                    if text.isdigit() and len(text) <= VERSION_DIGITS_MAX:
                        self._heard(int(text))

    async def close(self) -> None:
        """Tell what is being told, stop listening and end the connections."""
        if self._telling:
            await asyncio.wait(self._telling)  # a command ends right after its one change
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._redis.aclose()
