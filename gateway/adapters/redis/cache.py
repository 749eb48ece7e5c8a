"""The cache that instances share: answers of the last second in Redis.

Law: Redis may lose everything, stand still or be away: then there is nothing in it, and no request
fails or waits longer than `LOOK_S_MAX` for that. After a failure it is not asked again until it
has answered a ping, so an absent Redis costs the requests of one moment a little time and the
others none. Nothing personal is put into it (`LocalCache` sees to that), no name in it tells whose
an answer is, and what somebody else put there is not believed: names and entries are keyed hashes
under the installation's key.

An entry carries the time of Redis at which it was looked for in vain, just before it was read from
the primary. Redis drops it `AGE_MAX_S` after that moment (PXAT), and who finds it knows its age by
the same clock, which is asked in the same exchange. So no two machines' clocks are compared.
Needs Redis 6.2 or newer (PXAT).
"""

import asyncio
import hmac
import logging
import struct
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic_ns

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from gateway.center.cache_ports import AGE_MAX_S, Found, Place

PREFIX = "tillgate.cache."
LOOK_S_MAX = 0.05
PUT_S_MAX = 0.5
PING_EVERY_S = 1.0
LOOKS_MAX = 32  # at once; whoever comes on top reads from the primary
PUTS_MAX = 32
_AGE_MAX_MS = int(AGE_MAX_S * 1000)
_AGE_MAX_US = int(AGE_MAX_S * 1e6)
_MAC_BYTES = 16
_HEAD = struct.Struct(f">Q{_MAC_BYTES}s")
_NOTHING = Found()

log = logging.getLogger("tillgate.cache")


class RedisCache:
    """The SharedCache port on one server.

    `key` is a key that the instances of an installation share, and nobody else has. `failed` is
    called for every exchange that failed. Raises ValueError for what is no Redis URL.
    """

    def __init__(
        self,
        url: str,
        *,
        key: bytes,
        failed: Callable[[], None] = lambda: None,
        look_s_max: float = LOOK_S_MAX,
    ) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            socket_connect_timeout=PUT_S_MAX,
            socket_timeout=PUT_S_MAX,
            retry=Retry(NoBackoff(), 0),
            max_connections=LOOKS_MAX + PUTS_MAX + 1,
            protocol=2,
        )
        self._name_key = blake2b(key=key, person=b"tillgate.name").digest()
        self._entry_key = blake2b(key=key, person=b"tillgate.entry").digest()
        self._failed = failed
        self._look_s_max = look_s_max
        self._looks = 0
        self._puts: set[asyncio.Task[None]] = set()
        self._returning: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether it failed and has not answered since."""
        return self._returning is not None

    async def get(self, place: Place) -> Found:
        """What is kept at a place; nothing if it cannot be known at once. Never raises."""
        if self.is_away or self._looks >= LOOKS_MAX:
            return _NOTHING
        self._looks += 1
        try:
            return await self._look(self._name(place))
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return _NOTHING
        finally:
            self._looks -= 1

    async def _look(self, name: str) -> Found:
        sent_ns = monotonic_ns()
        async with asyncio.timeout(self._look_s_max):
            async with self._redis.pipeline(transaction=False) as pipeline:
                # In this order: the entry's age is then told too high rather than too low.
                pipeline.get(name)
                pipeline.time()
                entry, (seconds, micros) = await pipeline.execute()
        asked_us = seconds * 1_000_000 + micros
        opened = None if entry is None else self._open(name, entry)
        if opened is None:
            return Found(asked_us=asked_us)
        begun_us, body = opened
        age_us = asked_us - begun_us
        if not 0 <= age_us < _AGE_MAX_US:
            return Found(asked_us=asked_us)
        return Found(body, sent_ns - age_us * 1_000, asked_us)

    def put(self, place: Place, body: bytes, *, asked_us: int) -> None:
        """Keep an answer whose reading began after a look at `asked_us`; waits for nothing."""
        if self.is_away or len(self._puts) >= PUTS_MAX:
            return
        name = self._name(place)
        task = asyncio.get_running_loop().create_task(
            self._put(name, self._entry(name, asked_us, body), asked_us // 1_000 + _AGE_MAX_MS)
        )
        self._puts.add(task)
        task.add_done_callback(self._puts.discard)

    async def _put(self, name: str, entry: bytes, until_ms: int) -> None:
        try:
            async with asyncio.timeout(PUT_S_MAX):
                await self._redis.set(name, entry, pxat=until_ms)
        except ResponseError as error:
            # It is full, or may not be written: it can be read all the same.
            log.debug("the shared cache took no answer: %s", type(error).__name__)
            self._failed()
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)

    # --- away and back -------------------------------------------------------------------------

    def _lost(self, error: Exception) -> None:
        self._failed()
        if self._returning is None:
            log.warning("the shared cache is away (%s); going on without", type(error).__name__)
            self._returning = asyncio.get_running_loop().create_task(self._return())

    async def _return(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            try:
                async with asyncio.timeout(PUT_S_MAX):
                    await self._redis.ping()
            except (RedisError, OSError, TimeoutError):
                continue
            log.warning("the shared cache is back")
            self._returning = None
            return

    async def close(self) -> None:
        """End what is under way and the connections."""
        tasks = [*self._puts, *(() if self._returning is None else (self._returning,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()

    # --- names and entries ---------------------------------------------------------------------

    def _name(self, place: Place) -> str:
        """What a place is called: a keyed hash of all that the answer depends on."""
        text = "\0".join(place).encode()
        return PREFIX + blake2b(text, digest_size=_MAC_BYTES, key=self._name_key).hexdigest()

    def _mac(self, name: str, begun_us: int, body: bytes) -> bytes:
        mac = blake2b(name.encode(), digest_size=_MAC_BYTES, key=self._entry_key)
        mac.update(begun_us.to_bytes(8, "big"))
        mac.update(body)
        return mac.digest()

    def _entry(self, name: str, begun_us: int, body: bytes) -> bytes:
        return _HEAD.pack(begun_us, self._mac(name, begun_us, body)) + body

    def _open(self, name: str, entry: bytes) -> tuple[int, bytes] | None:
        """Age and body of an entry of ours, None for anything else."""
        if len(entry) < _HEAD.size:
            return None
        begun_us, mac = _HEAD.unpack_from(entry)
        body = entry[_HEAD.size :]
        return (
            (begun_us, body) if hmac.compare_digest(mac, self._mac(name, begun_us, body)) else None
        )
