"""HTTP, in this one module: aiohttp underneath, as a lean ``post`` for model calls and as an ``httpx.AsyncClient``.

Redirects are never followed, proxies of the environment are used only when asked for, names that resolve to link-local
addresses are refused, and a response is cut off at a number of bytes counted after decompression.

Measured on one core at 64 concurrent calls against a bare local server: httpx's own transport 145 requests/s,
``httpx.AsyncClient`` over this one 2,000, ``post`` about 5,000, aiohttp itself 5,600 to 6,900.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

import aiohttp
import httpx
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from evalkit.base.clock import Clock, SystemClock
from evalkit.base.errors import ModelError
from evalkit.llm.errors import model_error

__all__ = ["MAX_RESPONSE_BYTES", "AiohttpTransport", "HttpPort", "HttpReply", "TooManyBytesError", "open_client"]

MAX_RESPONSE_BYTES = 16 * 1024 * 1024
_CONNECT_S = 10.0
_AFTER_END_S = 0.25
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)


class TooManyBytesError(httpx.DecodingError):
    """A response is larger than its cap."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A response read to its end.

    Attributes:
        status: the HTTP status.
        headers: looked up without regard to case.
        body: decompressed.
        elapsed_s: from sending the request to the last byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float


class HttpPort(Protocol):
    """What a provider needs of HTTP."""

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        on_chunk: Callable[[bytes], bool] | None = None,
    ) -> HttpReply:
        """Return the whole response to one POST.

        Args:
            url: the address.
            headers: all of them.
            body: sent as it is.
            timeout_s: limit from connecting to the last byte.
            on_chunk: told of the pieces of a success response as they come; True says the answer is complete.

        Raises:
            ModelError: there was no complete response; any status is a response.
        """
        ...

    async def aclose(self) -> None:
        """Release connections. Safe to call twice."""
        ...


class _Resolver(ThreadedResolver):
    """The system's resolver without link-local answers: cloud metadata services live there."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        kept = [entry for entry in found if not entry["host"].startswith(("169.254.", "fe80:"))]
        if not kept:
            raise OSError(None, f"{host} resolves to link-local addresses only")
        return kept


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Its own aiohttp sessions in each event loop, as a lean port and as an httpx transport.

    Args:
        limit: connections at once, at most; further calls wait for one.
        max_bytes: cap on a response, after decompression.
        proxy_from_env: whether HTTP_PROXY and its kin are honoured.
        clock: measures ``elapsed_s``.
    """

    def __init__(
        self,
        *,
        limit: int = 64,
        max_bytes: int = MAX_RESPONSE_BYTES,
        proxy_from_env: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._proxy_from_env = proxy_from_env
        self._clock = clock or SystemClock()
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, aiohttp.ClientSession]]
        self._sessions = WeakKeyDictionary()
        self._urls: dict[str, URL] = {}

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
        on_chunk: Callable[[bytes], bool] | None = None,
    ) -> HttpReply:
        """Return the whole response to one POST; see :meth:`HttpPort.post`."""
        target = self._urls.get(url)
        if target is None:
            target = self._urls[url] = URL(url)
        once = on_chunk is not None and target.scheme == "http"
        started = self._clock.monotonic()
        status: int | None = None
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._session(once=once).request(
                    "POST", target, data=body, headers=headers, allow_redirects=False, timeout=_TIMEOUT
                )
                status = response.status
                async with response:
                    data = await self._read(response, on_chunk if status == 200 else None)
        except TimeoutError as error:
            raise _timed_out(error, status, timeout_s) from error
        except (aiohttp.ClientError, OSError, TooManyBytesError, ValueError) as error:
            raise _failed(error, status) from error
        return HttpReply(status, response.headers, data, self._clock.monotonic() - started)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response with its body still to be read: the httpx side of the transport."""
        limits = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=limits.get("connect", _CONNECT_S), sock_read=limits.get("read")
        )
        headers = [(name, value) for name, value in request.headers.multi_items() if name != "content-length"]
        data = await request.aread()
        try:
            response = await self._session().request(
                request.method,
                URL(str(request.url), encoded=True),
                data=data or None,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            )
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _as_httpx(error, request) from error
        kept = [(name, value) for name, value in response.headers.items() if name.lower() not in _DECODED]
        return httpx.Response(response.status, headers=kept, stream=_Body(response, self._max_bytes, request))

    async def aclose(self) -> None:
        """Close the session of the running event loop. Safe to call twice."""
        for session in self._sessions.pop(asyncio.get_running_loop(), {}).values():
            await session.close()

    async def _read(self, response: aiohttp.ClientResponse, on_chunk: Callable[[bytes], bool] | None) -> bytes:
        length = response.content_length
        if length is not None and length > self._max_bytes:
            raise TooManyBytesError(f"the response announces {length:,} bytes, over the cap of {self._max_bytes:,}")
        if on_chunk is None and length is not None and "Content-Encoding" not in response.headers:
            return await response.read()
        pieces: list[bytes] = []
        async for piece in _pieces(response, self._max_bytes):
            pieces.append(piece)
            if on_chunk is not None and on_chunk(piece):
                await _finish(response)
                break
        return b"".join(pieces)

    def _session(self, *, once: bool = False) -> aiohttp.ClientSession:
        """Return the session whose connections serve ``once``, or again and again.

        Some servers close a connection after a stream without saying so, and whoever asks next on it fails: up to 10 %
        of calls to llama.cpp's. So a stream gets its own connection where one costs next to nothing, without TLS.
        """
        sessions = self._sessions.setdefault(asyncio.get_running_loop(), {})
        session = sessions.get(once)
        if session is None or session.closed:
            connector = aiohttp.TCPConnector(
                limit=self._limit, resolver=_Resolver(), ttl_dns_cache=300, force_close=once
            )
            session = sessions[once] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=self._proxy_from_env
            )
        return session


def open_client(
    *,
    limit: int = 64,
    max_bytes: int = MAX_RESPONSE_BYTES,
    timeout_s: float = 60.0,
    proxy_from_env: bool = False,
    headers: Mapping[str, str] | None = None,
    base_url: str = "",
) -> httpx.AsyncClient:
    """Return an httpx client over aiohttp; whoever opens it closes it.

    Args:
        limit: connections at once, at most.
        max_bytes: cap on a response, after decompression.
        timeout_s: limit of connecting, and of each wait for bytes.
        proxy_from_env: whether HTTP_PROXY and its kin are honoured.
        headers: sent with every request.
        base_url: joined before relative addresses.
    """
    transport = AiohttpTransport(limit=limit, max_bytes=max_bytes, proxy_from_env=proxy_from_env)
    return httpx.AsyncClient(
        transport=transport,
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=False,
        headers=headers,
        base_url=base_url,
    )


_DECODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, max_bytes: int, request: httpx.Request) -> None:
        self._response = response
        self._max_bytes = max_bytes
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in _pieces(self._response, self._max_bytes):
                yield piece
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise _as_httpx(error, self._request) from error

    async def aclose(self) -> None:
        self._response.close() if not self._response.content.at_eof() else self._response.release()


async def _pieces(response: aiohttp.ClientResponse, max_bytes: int) -> AsyncIterator[bytes]:
    total = 0
    async for piece in response.content.iter_any():
        total += len(piece)
        if total > max_bytes:
            response.close()
            raise TooManyBytesError(f"the response is larger than the cap of {max_bytes:,} bytes")
        yield piece


async def _finish(response: aiohttp.ClientResponse) -> None:
    """Give a stream whose answer is complete a moment to end, so that its connection can be used again."""
    try:
        async with asyncio.timeout(_AFTER_END_S):
            await response.content.readany()
    except (TimeoutError, aiohttp.ClientError, OSError):
        response.close()
    if not response.content.at_eof():
        response.close()


def _timed_out(error: TimeoutError, status: int | None, timeout_s: float) -> ModelError:
    if isinstance(error, aiohttp.ServerTimeoutError):
        return model_error("connection", "the provider could not be reached in time")
    stage = "no answer" if status is None else "the answer was not complete"
    return model_error("timeout", f"{stage} within {timeout_s:.1f} s", status=status)


def _failed(error: Exception, status: int | None) -> ModelError:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, TooManyBytesError):
        return model_error("too_large", str(error), status=status)
    if isinstance(error, aiohttp.InvalidURL):
        return model_error("bad_request", f"not an address: {error}")
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return model_error("connection", f"no trusted connection: {text}", hint="check the address and certificates")
    if status is not None and "content-encoding" in str(error):
        return model_error("malformed", f"cannot be decompressed: {text}", status=status)
    if status is not None:
        return model_error("truncated", f"cut off: {text}", status=status)
    if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
        return model_error("connection", text)
    return model_error("malformed", f"not an HTTP response: {text}")


def _as_httpx(error: Exception, request: httpx.Request) -> httpx.TransportError:
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, aiohttp.ServerTimeoutError):
        return httpx.ConnectTimeout(text, request=request)
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout(text, request=request)
    if isinstance(error, (aiohttp.ClientConnectorError,)):
        return httpx.ConnectError(text, request=request)
    if isinstance(error, aiohttp.ClientPayloadError):
        return httpx.RemoteProtocolError(text, request=request)
    return httpx.ReadError(text, request=request)
