"""A schema registry as its clients see it: real HTTP on a real socket, schemas in memory.

It speaks as much of Confluent's protocol as decoding and producing need, and can be away, answer rubbish or
refuse. A port that was taken once is taken again, so that a registry can come back at its address.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, bytes]
UNKNOWN_SCHEMA, UNKNOWN_SUBJECT = 40403, 40401


class RegistryServer:
    """Start it, register schemas, take it away and bring it back."""

    def __init__(self) -> None:
        self.schemas: list[dict[str, Any]] = []
        """By their ids, which count from 1."""
        self.subjects: dict[str, list[int]] = {}
        self.says: Answer | None = None
        """What every request is answered with instead; None = as a registry does."""
        self.takes_no_new_ones = False
        """Whether its users may only read."""
        self.asked: list[str] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(*outer._answer("GET", self.path, b""))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._reply(*outer._answer("POST", self.path, body))

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def register(
        self, subject: str, kind: str, text: str, references: list[dict[str, Any]] | None = None
    ) -> int:
        """As a producer would; the same text has the same id."""
        one = {"schema": text, "schemaType": kind, "references": references or []}
        if one not in self.schemas:
            self.schemas.append(one)
        found = self.schemas.index(one) + 1
        if found not in (versions := self.subjects.setdefault(subject, [])):
            versions.append(found)
        return found

    # -- requests ----------------------------------------------------------------------------------------

    def _answer(self, method: str, path: str, body: bytes) -> Answer:
        self.asked.append(f"{method} {path}")
        if self.says is not None:
            return self.says
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        match method, parts:
            case "GET", ["schemas", "ids", number]:
                return self._schema(int(number), parse_qs(urlsplit(path).query))
            case "GET", ["subjects", subject, "versions", number]:
                return self._version(subject, int(number))
            case "POST", ["subjects", subject]:
                return self._lookup(subject, json.loads(body))
            case "POST", ["subjects", subject, "versions"] if self.takes_no_new_ones:
                return _json({"error_code": 40301, "message": "User is denied operation Write"}, 403)
            case "POST", ["subjects", subject, "versions"]:
                given = json.loads(body)
                kind = given.get("schemaType", "AVRO")
                return _json({"id": self.register(subject, kind, given["schema"], given.get("references"))})
        return _json({"error_code": 404, "message": "HTTP 404 Not Found"}, 404)

    def _schema(self, number: int, query: dict[str, list[str]]) -> Answer:
        if not 1 <= number <= len(self.schemas):
            return _json({"error_code": UNKNOWN_SCHEMA, "message": "Schema not found"}, 404)
        found = dict(self.schemas[number - 1])
        if found["schemaType"] == "AVRO":
            del found["schemaType"]  # as the real one does
        return _json(found)

    def _lookup(self, subject: str, given: dict[str, Any]) -> Answer:
        if subject not in self.subjects:
            return _json({"error_code": UNKNOWN_SUBJECT, "message": "Subject not found"}, 404)
        for version, found in enumerate(self.subjects[subject], 1):
            one = self.schemas[found - 1]
            if (one["schema"], one["schemaType"]) == (given["schema"], given.get("schemaType", "AVRO")):
                return _json({"subject": subject, "version": version, "id": found, **one})
        return _json({"error_code": UNKNOWN_SCHEMA, "message": "Schema not found"}, 404)

    def _version(self, subject: str, number: int) -> Answer:
        versions = self.subjects.get(subject, [])
        if not 1 <= number <= len(versions):
            return _json({"error_code": UNKNOWN_SUBJECT, "message": "Subject not found"}, 404)
        found = self.schemas[versions[number - 1] - 1]
        return _json({"subject": subject, "version": number, "id": versions[number - 1], **found})


def _json(body: object, status: int = 200) -> Answer:
    return status, json.dumps(body).encode()


@contextmanager
def running() -> Iterator[RegistryServer]:
    """One that is there, until the end of the block."""
    server = RegistryServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def framed(schema_id: int, payload: bytes) -> bytes:
    """A value as Confluent's serializers write it."""
    return b"\0" + schema_id.to_bytes(4, "big") + payload


def in_base64(data: bytes) -> str:
    """As the registry gives a protobuf schema when it is asked for the serialized form."""
    return base64.b64encode(data).decode()
