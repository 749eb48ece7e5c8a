"""A proxy that understands enough of the Postgres protocol to lose a COMMIT.

It stands between the gateway and the server on a Unix socket and can cut the connection when the
COMMIT is on its way to the server, or when its answer is on its way back, or hold it.
Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol" (messages Query, Parse).
"""

import asyncio
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

BEGIN = b"begin\x00"
COMMIT = b"commit\x00"
# Rows that are written outside of a transaction: the statement commits by itself.
ROWS = re.compile(rb"[0-9a-f]{32}\x1f")
PORT = 5432


class PostgresProxy:
    """`dsn` leads through the proxy; `cuts` counts the connections it has cut."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        folder = parse_qs(parts.query)["host"][0]
        self._target = f"{folder}/.s.PGSQL.{PORT}"
        self._folder = Path(tempfile.mkdtemp(prefix="tillgate-proxy-"))
        self._server: asyncio.Server | None = None
        self._mode: str | None = None
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0
        login = parts.netloc.split("@")[0] + "@" if "@" in parts.netloc else ""
        self.dsn = f"postgresql://{login}{parts.path}?host={quote(str(self._folder), safe='')}"

    async def __aenter__(self) -> "PostgresProxy":
        path = str(self._folder / f".s.PGSQL.{PORT}")
        self._server = await asyncio.start_unix_server(self._serve, path)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self._folder)

    def cut_at_commit(self, when: str) -> None:
        """Cut the connection once: `before_commit_arrives` or `after_commit_arrived`."""
        self._mode = when

    def hold_at_commit(self) -> None:
        """Hold the next COMMIT until `release`."""
        self._mode = "hold"

    def release(self) -> None:
        """Let the held COMMIT go on."""
        self._released.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._target)
        committed = asyncio.Event()
        in_transaction = False
        back = asyncio.ensure_future(self._copy_back(upstream_reader, writer, committed))
        try:
            while data := await reader.read(65536):
                in_transaction = in_transaction or BEGIN in data
                ends = COMMIT in data or (not in_transaction and ROWS.search(data) is not None)
                in_transaction = in_transaction and not ends
                if self._mode is not None and ends:
                    mode, self._mode = self._mode, None
                    if mode == "before_commit_arrives":
                        self.cuts += 1
                        break
                    if mode == "hold":
                        await self._released.wait()
                    else:
                        committed.set()
                upstream_writer.write(data)
                await upstream_writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if not committed.is_set():
                back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            upstream_writer.transport.abort()
            writer.transport.abort()
            self._tasks.discard(task)

    async def _copy_back(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        committed: asyncio.Event,
    ) -> None:
        while data := await reader.read(65536):
            if committed.is_set():
                # The server has committed; its answer never arrives.
                self.cuts += 1
                writer.transport.abort()
                return
            writer.write(data)
        writer.close()
