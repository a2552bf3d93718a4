import random
import threading
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

Service = Literal["api", "login", "s3", "datalake", "downloads"]
GENESYS: tuple[Service, ...] = ("api", "login", "downloads")


@dataclass(frozen=True)
class LoggedRequest:
    """One request. `path` is as on the wire (percent-encoded, no query); `at` is UTC, ISO 8601."""

    method: str
    path: str
    query: str
    service: Service
    correlation_id: str | None
    at: str


class RequestLog:
    """What every server received, in the order of receipt, whatever became of them. S3 writes from its own threads."""

    def __init__(self, seed: int | None) -> None:
        self._requests: list[LoggedRequest] = []
        self._lock = threading.Lock()
        self._ids = {name: random.Random(None if seed is None else f"{seed} {name}") for name in get_args(Service)}  # noqa: S311

    def new_id(self, service: Service) -> str:
        """A correlation id. The same seed gives each service the same ones, in the order of its requests."""
        return str(uuid.UUID(int=self._ids[service].getrandbits(128), version=4))

    def note(self, service: Service, method: str, path: str, query: str, correlation_id: str | None = None) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            self._requests.append(LoggedRequest(method, path, query, service, correlation_id, at))

    def listing(self, service: str | None = None) -> list[dict[str, Any]]:
        """The Genesys side (api, login and downloads) unless a service or "all" is named."""
        with self._lock:
            requests = list(self._requests)
        wanted = GENESYS if service is None else (service,)
        return [asdict(request) for request in requests if service == "all" or request.service in wanted]

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
