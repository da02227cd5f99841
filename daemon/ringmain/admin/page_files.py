"""The page's files, read once: what is not among them does not exist, whatever a path is made of.

The site enters. Each is sent with its type, may be kept by a browser as long as it asks whether it changed.
"""

import hashlib
import mimetypes
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

import falcon

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
}


class File(NamedTuple):
    """One file."""

    content: bytes
    content_type: str
    tag: str


class PageFile:
    """Falcon's resource for a file."""

    def __init__(self, file: File) -> None:
        self._file = file

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The file, or that it is the one which the browser has."""
        resp.cache_control = ["no-cache"]
        resp.etag = self._file.tag
        if self._file.tag in (req.get_header("If-None-Match") or ""):
            resp.status = falcon.HTTP_304
            return
        resp.content_type = self._file.content_type
        resp.data = self._file.content

    on_head = on_get


def addresses() -> dict[str, File]:
    """Address -> file; `/` is the page itself."""
    found = {f"/page/{name}": file for name, file in _files(resources.files("ringmain.admin") / "page", "")}
    index = found.get("/page/index.html")
    return found if index is None else {"/": index, **found}


def _files(folder: Traversable, above: str) -> list[tuple[str, File]]:
    if not folder.is_dir():
        return []
    found: list[tuple[str, File]] = []
    for each in sorted(folder.iterdir(), key=lambda one: one.name):
        if each.name.startswith((".", "_")):
            continue
        if each.is_dir():
            found += _files(each, f"{above}{each.name}/")
        else:
            found.append((f"{above}{each.name}", _file(each)))
    return found


def _file(path: Traversable) -> File:
    content = path.read_bytes()
    ending = path.name[path.name.rfind(".") :]
    kind = _TYPES.get(ending) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(content, kind, hashlib.sha256(content).hexdigest()[:24])
