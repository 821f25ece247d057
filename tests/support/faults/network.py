"""A network that can be broken: a TCP proxy that drops, delays, forgets or resets what goes through it."""

from __future__ import annotations

import asyncio
import contextlib
import socket

CHUNK = 65536


class Flow:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        #: A firewall has forgotten it: nothing passes any more, and nobody is told.
        self.forgotten = False

    def reset(self) -> None:
        """Both ends get an RST."""
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


class Proxy:
    """Listens on 127.0.0.1 at `port`; everything goes to `target_port` there."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.delay_s = 0.0
        self._passing = asyncio.Event()
        self._passing.set()
        self._flows: set[Flow] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Nobody listens any more; what is open stays open."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def stop(self) -> None:
        await self.refuse()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence(self) -> None:
        """Drop every packet, as a cut cable does: no RST, no answer; what was sent comes through after heal()."""
        self._passing.clear()

    def heal(self) -> None:
        self._passing.set()

    def forget(self) -> None:
        """What is open is dead for ever without a word; new connections pass."""
        for flow in self._flows:
            flow.forgotten = True

    def reset(self, *, only_client: bool = False) -> None:
        """An RST to both ends, or only to the client: then the server's end stays, and nothing passes there."""
        for flow in self._flows:
            if only_client:
                flow.forgotten = True
                flow.client.transport.abort()
            else:
                flow.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        flow = Flow(writer)
        self._flows.add(flow)
        try:
            await self._carry(flow, reader)
        except OSError:
            flow.reset()
        except asyncio.CancelledError:
            # The streams' own callback would complain of it.
            flow.reset()
        finally:
            self._flows.discard(flow)
            flow.client.close()
            if flow.server is not None:
                flow.server.close()

    async def _carry(self, flow: Flow, reader: asyncio.StreamReader) -> None:
        first = await reader.read(CHUNK)
        await self._passing.wait()
        if reader.at_eof():
            # Its packets never arrived, and there is nobody any more to send them again.
            return
        answers, flow.server = await asyncio.open_connection("127.0.0.1", self.target_port)
        for end in (flow.client, flow.server):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        flow.server.write(first)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(flow, reader, flow.server))
            both.create_task(self._pump(flow, answers, flow.client))

    async def _pump(self, flow: Flow, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._may_pass(flow)
                writer.write(data)
                await writer.drain()
            await self._may_pass(flow)
            with contextlib.suppress(OSError):
                writer.write_eof()
        except OSError:
            # One end was reset: the other one hears of it as soon as anything may pass.
            await self._may_pass(flow)
            flow.reset()

    async def _may_pass(self, flow: Flow) -> None:
        await self._passing.wait()
        if flow.forgotten:
            await asyncio.Event().wait()
