# A message's headers as one piece of bytes, in the ring and in what is read from it.


cdef object copy_or_none(const char *at, uint32_t length):
    return None if length == ABSENT else PyBytes_FromStringAndSize(at, length)


cdef list parse_headers(bytes blob):
    """u32 count, then per header u32 name bytes, i32 value bytes (-1 = None), name, value -> list of pairs."""
    cdef const char *at = blob
    cdef Py_ssize_t left = len(blob), name_bytes, value_bytes
    cdef uint32_t count, i, n
    cdef int32_t v
    headers = []
    if left < 4:
        return headers
    memcpy(&count, at, 4)
    at += 4
    left -= 4
    for i in range(count):
        if left < 8:
            break
        memcpy(&n, at, 4)
        memcpy(&v, at + 4, 4)
        name_bytes, value_bytes = n, v if v > 0 else 0
        if left < 8 + name_bytes + value_bytes:
            break
        name = PyUnicode_DecodeUTF8(at + 8, name_bytes, "surrogateescape")
        headers.append((name, None if v < 0 else PyBytes_FromStringAndSize(at + 8 + name_bytes, value_bytes)))
        at += 8 + name_bytes + value_bytes
        left -= 8 + name_bytes + value_bytes
    return headers


def pack_headers(headers):
    """The reverse of what a slot's headers are read from; b"" for no headers."""
    if not headers:
        return b""
    parts = [len(headers).to_bytes(4, "little")]
    for name, value in headers:
        encoded = name.encode("utf-8", "surrogateescape")
        parts.append(len(encoded).to_bytes(4, "little"))
        parts.append((-1 if value is None else len(value)).to_bytes(4, "little", signed=True))
        parts.append(encoded)
        parts.append(b"" if value is None else bytes(value))
    return b"".join(parts)
