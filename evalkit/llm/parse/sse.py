"""Server-sent events out of bytes that arrive in any pieces."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SseEvent", "SseReader"]


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its name (empty if none was given) and its data lines joined by newlines."""

    name: str
    data: bytes


class SseReader:
    """Splits a stream into events: LF, CRLF or CR line ends, comments, several data lines, characters cut in two."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._first = True

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Return the events that ``piece`` completes."""
        if self._first and piece:
            piece, self._first = piece.removeprefix(b"\xef\xbb\xbf"), False
        if b"\n" not in piece and b"\r" not in piece:
            self._rest += piece
            return []
        buffer = bytes(self._rest) + piece
        held = b"\r" if buffer.endswith(b"\r") else b""  # its LF may come in the next piece
        lines = buffer[: len(buffer) - len(held)].splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        self._rest = bytearray(rest + held)
        return self._events(lines)

    def close(self) -> list[SseEvent]:
        """Return what is left at the end of the stream: servers may leave out the last empty line."""
        lines = bytes(self._rest).splitlines()
        self._rest.clear()
        return self._events([*lines, b""])

    def _events(self, lines: list[bytes]) -> list[SseEvent]:
        found: list[SseEvent] = []
        for line in lines:
            event = self._line(line.rstrip(b"\r\n"))
            if event is not None:
                found.append(event)
        return found

    def _line(self, line: bytes) -> SseEvent | None:
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> SseEvent | None:
        name, data = self._name, self._data
        self._name, self._data = "", []
        return SseEvent(name, b"\n".join(data)) if data else None
