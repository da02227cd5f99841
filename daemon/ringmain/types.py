"""The closed vocabularies: words that mean the same in code, TOML, command line, metrics, logs and URLs.

Everybody enters. Only type aliases live here, never behaviour and never a default.
"""

from typing import Literal

Mode = Literal["stream-worker", "worker", "api-server", "management-api"]
Membership = Literal["static", "dynamic"]
Order = Literal["none", "key", "partition"]
Format = Literal["json", "msgpack", "protobuf", "avro", "json-schema", "raw"]
OnBad = Literal["dead", "skip"]
OnTombstone = Literal["skip", "dead"]
Backoff = Literal["exponential", "linear"]
Backend = Literal["rabbitmq", "sqlite"]
QueueType = Literal["quorum", "classic"]
LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogExceptions = Literal["full", "class"]
