"""Values of JSON Schema's ``format`` that are checked; a schema that uses another one is refused at load."""

from __future__ import annotations

import re
from datetime import date, time
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit
from uuid import UUID

__all__ = ["FORMATS", "has_format"]

_TIME = re.compile(r"(\d\d:\d\d:\d\d)(\.\d{1,9})?(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(?:\.[^@\s\x00-\x1f.]+)*")
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")  # fmt: skip  # noqa: E501
_DURATION = re.compile(r"P(?!\Z)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)")


def _date(text: str) -> bool:
    return len(text) == 10 and text.isascii() and date.fromisoformat(text) is not None


def _time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    return match is not None and time.fromisoformat(match[1]) is not None


def _date_time(text: str) -> bool:
    return len(text) > 11 and text[10] in "tT " and _date(text[:10]) and _time(text[11:])


def _uri(text: str) -> bool:
    return bool(urlsplit(text).scheme) and re.search(r"[\s<>\"{}|\\^`]", text) is None


def _uuid(text: str) -> bool:
    return len(text) == 36 and str(UUID(text)) == text.lower()


FORMATS = {
    "date": _date,
    "time": _time,
    "date-time": _date_time,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "email": lambda text: len(text) <= 320 and _EMAIL.fullmatch(text) is not None,
    "hostname": lambda text: len(text) <= 253 and _HOST.fullmatch(text) is not None,
    "ipv4": lambda text: IPv4Address(text) is not None,
    "ipv6": lambda text: IPv6Address(text) is not None,
    "uri": _uri,
    "uuid": _uuid,
}
"""Format to whether a text has it; a ValueError means no."""


def has_format(name: str, text: str) -> bool:
    """Return whether ``text`` has the format ``name``, one of :data:`FORMATS`."""
    try:
        return FORMATS[name](text)
    except ValueError:
        return False
