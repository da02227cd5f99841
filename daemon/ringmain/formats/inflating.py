"""Values that their sender compressed by himself, and said so in the header `content-encoding`.

Routes with `compressed` enter. What Kafka's own compression did is undone long before. A value never grows
beyond the limit: a small message that inflates to gigabytes would end its process.
"""

import zlib
from collections.abc import Callable, Iterable

from ringmain.errors import Undecodable

HEADER = "content-encoding"
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_BARE = -zlib.MAX_WBITS  # deflate without any header, as some write it

Headers = Iterable[tuple[str, bytes | None]]
Inflate = Callable[[bytes, Headers], bytes]


def inflater(limit_bytes: int) -> Inflate:
    """What gives a value as it was before it was compressed, however many times."""

    def inflate(value: bytes, headers: Headers) -> bytes:
        for encoding in reversed(encodings_of(headers)):
            value = _one(value, encoding, limit_bytes)
        return value

    return inflate


def encodings_of(headers: Headers) -> list[str]:
    """What the header says, in the order in which it was done; names of headers in any case."""
    return [
        word.strip().lower()
        for name, value in headers
        if value is not None and name.lower() == HEADER
        for word in value.decode("latin-1").split(",")
    ]


def _one(value: bytes, encoding: str, limit_bytes: int) -> bytes:
    inflate = _INFLATERS.get(encoding)
    if inflate is None:
        known = ", ".join(_INFLATERS)
        raise Undecodable(f"$: nobody knows the {HEADER} {encoding!r}; known are {known}")
    try:
        inflated = inflate(value, limit_bytes)
    except (Undecodable, MemoryError):
        raise
    except Exception as error:
        raise Undecodable(f"$: the value is not {encoding}, as its {HEADER} says: {error}") from None
    if len(inflated) > limit_bytes:
        raise Undecodable(f"$: the value inflates to more than ring.bytes = {limit_bytes:,} bytes")
    return inflated


def _gzip(value: bytes, limit_bytes: int) -> bytes:
    inflated, rest = _stream(value, _GZIP, limit_bytes)
    while rest and len(inflated) <= limit_bytes:  # members in a row
        more, rest = _stream(rest, _GZIP, limit_bytes - len(inflated))
        inflated += more
    return inflated


def _deflate(value: bytes, limit_bytes: int) -> bytes:
    """Zlib by the name's definition, and bare with some senders."""
    try:
        return _stream(value, _ZLIB, limit_bytes)[0]
    except zlib.error:
        return _stream(value, _BARE, limit_bytes)[0]


def _stream(value: bytes, kind: int, limit_bytes: int) -> tuple[bytes, bytes]:
    """At most one byte more than the limit, and what is behind it."""
    stream = zlib.decompressobj(kind)
    inflated = stream.decompress(value, limit_bytes + 1)
    if not stream.eof and len(inflated) <= limit_bytes:
        raise Undecodable("$: the compressed value is cut off")
    return inflated, stream.unused_data


def _zstd(value: bytes, limit_bytes: int) -> bytes:
    try:
        import zstandard
    except ImportError:
        text = "$: the value is compressed with zstd: pip install 'ringmain[zstd]', then replay it"
        raise Undecodable(text) from None
    with zstandard.ZstdDecompressor().stream_reader(value, read_across_frames=True) as stream:
        inflated: bytes = stream.read(limit_bytes + 1)
    return inflated


def _identity(value: bytes, limit_bytes: int) -> bytes:
    return value


_INFLATERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "identity": _identity,
}
