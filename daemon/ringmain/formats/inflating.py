"""Values that their sender compressed by himself, and said so in the header `content-encoding`.

Routes with `compressed` enter. What Kafka's own compression did is undone long before. A value never grows
beyond the limit: a small message that inflates to gigabytes would end its process.
"""

import zlib
from collections.abc import Callable, Iterable
from typing import Any

from ringmain.errors import AppError, Undecodable

HEADER = "content-encoding"
_ANY_HEADER = 32  # zlib: look whether it is gzip or zlib
_BARE = -15  # deflate without any header, as some write it

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
    except Undecodable:
        raise
    except Exception as error:
        raise Undecodable(f"$: the value is not {encoding}, as its {HEADER} says: {error}") from None
    if len(inflated) > limit_bytes:
        raise Undecodable(f"$: the value inflates to more than ring.bytes = {limit_bytes:,} bytes")
    return inflated


def _zlib(value: bytes, limit_bytes: int) -> bytes:
    # Deflate is zlib by its name's definition, and bare with many senders.
    bare = value[:1] not in (b"\x1f", b"\x78")
    stream = zlib.decompressobj(_BARE if bare else _ANY_HEADER + zlib.MAX_WBITS)
    inflated = stream.decompress(value, limit_bytes + 1)
    while stream.eof and stream.unused_data and len(inflated) <= limit_bytes:  # gzip: members in a row
        value, stream = stream.unused_data, zlib.decompressobj(_ANY_HEADER + zlib.MAX_WBITS)
        inflated += stream.decompress(value, limit_bytes + 1 - len(inflated))
    if not stream.eof and len(inflated) <= limit_bytes:
        raise Undecodable("$: the compressed value is cut off")
    return inflated


def _zstd(value: bytes, limit_bytes: int) -> bytes:
    zstandard = zstandard_library()
    with zstandard.ZstdDecompressor().stream_reader(value, read_across_frames=True) as stream:
        inflated: bytes = stream.read(limit_bytes + 1)
    return inflated


def zstandard_library() -> Any:
    """The library for zstd, which is optional."""
    try:
        import zstandard
    except ImportError:
        raise AppError("a value is compressed with zstd: pip install 'ringmain[zstd]'") from None
    return zstandard


def _identity(value: bytes, limit_bytes: int) -> bytes:
    return value


_INFLATERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _zlib,
    "deflate": _zlib,
    "zstd": _zstd,
    "identity": _identity,
}
