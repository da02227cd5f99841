"""Values that their sender compressed: undone by the header, and never beyond the limit."""

import gzip
import zlib

import pytest

from ringmain import formats
from ringmain.errors import Undecodable

LIMIT_BYTES = 1 << 16
VALUE = b'{"id":7}' * 100
inflate = formats.inflater(LIMIT_BYTES)


def bare_deflate(value: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(value) + stream.flush()


def test_what_has_no_header_stays_as_it_is() -> None:
    assert inflate(VALUE, [("traceparent", b"00-1"), ("content-encoding", None)]) == VALUE
    assert inflate(VALUE, [("content-encoding", b"identity")]) == VALUE


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        (b"gzip", gzip.compress(VALUE)),
        (b"GZIP", gzip.compress(VALUE[:10]) + gzip.compress(VALUE[10:])),
        (b"deflate", zlib.compress(VALUE)),
        (b"deflate", bare_deflate(VALUE)),
        (b"deflate, gzip", gzip.compress(zlib.compress(VALUE))),
    ],
    ids=("gzip", "two members of gzip", "deflate", "bare deflate", "one within another"),
)
def test_the_header_says_how_it_is_undone(encoding: bytes, value: bytes) -> None:
    assert inflate(value, [("Content-Encoding", encoding)]) == VALUE


def test_zstd_is_undone_where_its_library_is() -> None:
    zstandard = pytest.importorskip("zstandard")
    value = zstandard.ZstdCompressor().compress(VALUE)
    assert inflate(value, [("content-encoding", b"zstd")]) == VALUE
    bomb = zstandard.ZstdCompressor().compress(bytes(LIMIT_BYTES + 1))
    with pytest.raises(Undecodable, match=r"more than ring\.bytes = 65,536 bytes"):
        inflate(bomb, [("content-encoding", b"zstd")])


@pytest.mark.parametrize("size", [LIMIT_BYTES + 1, LIMIT_BYTES * 100])
def test_a_value_never_grows_beyond_the_limit(size: int) -> None:
    assert len(inflate(gzip.compress(bytes(LIMIT_BYTES)), [("content-encoding", b"gzip")])) == LIMIT_BYTES
    with pytest.raises(Undecodable, match=r"more than ring\.bytes = 65,536 bytes"):
        inflate(gzip.compress(bytes(size)), [("content-encoding", b"gzip")])


@pytest.mark.parametrize(
    ("encoding", "value", "said"),
    [
        (b"br", VALUE, "nobody knows the content-encoding 'br'; known are gzip, deflate"),
        (b"gzip", VALUE, "the value is not gzip, as its content-encoding says"),
        (b"gzip", gzip.compress(VALUE)[:-12], "cut off"),
        (b"deflate", zlib.compress(VALUE)[:-6], "cut off"),
        (b"gzip", b"", "cut off"),
    ],
    ids=("unknown", "not gzip", "gzip cut off", "deflate cut off", "nothing"),
)
def test_what_is_not_as_its_header_says_is_named(encoding: bytes, value: bytes, said: str) -> None:
    with pytest.raises(Undecodable, match=said):
        inflate(value, [("content-encoding", encoding)])
