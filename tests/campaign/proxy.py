"""A proxy on loopback before each door of a sandbox: it notes what is asked, and spoils the answers it is told to."""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from ..local_server import QuietHandler, serving
from .faults import Answer, Fault

DOORS = ("api", "login", "s3", "datalake")
# After this a client of the campaign has given up (seconds).
_LATE_S = 1.6
# How often, and how long at most, a slow answer gets another byte.
_DRIP_S, _DRIPS = 0.2, 50
_ENDLESS_MB = 64
_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=opslib-canary-)[0-9a-f]+")
# What belongs to one connection, or is made by the server that sends it.
_OWN = ("connection", "keep-alive", "transfer-encoding", "content-length", "server", "date")


@dataclass(frozen=True)
class Place:
    """A request of a walk: the `number`-th one that looks like this."""

    asked: str
    number: int

    @property
    def service(self) -> str:
        return self.asked.split()[0]

    def __str__(self) -> str:
        return f"{self.asked} #{self.number}"


@dataclass
class Proxy:
    """`urls` has the address of each door. `fault` is what is done at `place`, and from there on if it `stays`."""

    urls: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    place: Place | None = None
    stays: bool = False
    met: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, place: Place | None = None, fault: Fault | None = None, *, stays: bool = False) -> None:
        """Forget what was asked, and plant a fault."""
        with self._lock:
            self.place, self.fault, self.stays, self.met = place, fault, stays, 0
            self.asked.clear()
            self.foreign.clear()

    def meets(self, asked: str) -> Fault | None:
        """Note a request, and say what is to be done to it."""
        with self._lock:
            self.asked[asked] += 1
            if self.place is None or asked != self.place.asked:
                return None
            number = self.asked[asked]
            hit = number >= self.place.number if self.stays else number == self.place.number
            self.met += hit
            return self.fault if hit else None


@contextmanager
def proxied(doors: dict[str, str]) -> Iterator[Proxy]:
    """A proxy for these doors (name: URL)."""
    proxy = Proxy()
    with ExitStack() as stack:
        stranger = stack.enter_context(serving(_stranger(proxy), _Server))
        for name, url in doors.items():
            proxy.urls[name] = stack.enter_context(serving(_door(proxy, name, url, stranger), _Server))
        yield proxy


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """A client that hangs up, as a killed one does."""


class _Handler(QuietHandler):
    # Headers and body leave in two writes.
    disable_nagle_algorithm = True


def _stranger(proxy: Proxy) -> type[QuietHandler]:
    """A host that nobody may ask."""

    class Stranger(_Handler):
        def answer(self) -> None:
            proxy.foreign.append(f"{self.command} {self.path}")
            self.send_error(418)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    return Stranger


def _door(proxy: Proxy, service: str, url: str, stranger: str) -> type[QuietHandler]:
    upstream = urlsplit(url).netloc

    class Door(_Handler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._keep_secrets()
            fault = proxy.meets(_looks(service, self.command, self.path, body))
            effect = fault is None or fault.after
            answer = self._ask(body) if effect else Answer(service, 200, {}, b"{}")
            if fault is None:
                self._send(answer, "whole")
                return
            asked, elsewhere = f"http://{self.headers['Host']}{self.path}", f"{stranger}{self.path}"
            answer = Answer(service, answer.status, answer.headers, answer.body, asked, elsewhere)
            self._send(fault.change(answer), fault.sent)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def _keep_secrets(self) -> None:
            scheme, _, secret = self.headers.get("Authorization", "").partition(" ")
            if scheme in ("Bearer", "Basic"):
                proxy.secrets.add(secret)

        def _ask(self, body: bytes) -> Answer:
            """The server's own answer."""
            headers = {
                name: text for name, text in self.headers.items() if name.lower() not in ("connection", "expect")
            }
            with closing(HTTPConnection(upstream)) as connection:
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                kept = {name: text for name, text in answer.headers.items() if name.lower() not in _OWN}
                return Answer(service, answer.status, kept, answer.read())

        def _send(self, answer: Answer, sent: str) -> None:
            body, whole = answer.body, sent == "whole"
            self.close_connection = self.close_connection or not whole
            if sent == "dropped":
                return
            if sent == "late":
                time.sleep(_LATE_S)
            self.send_response_only(answer.status)
            for name, text in ({"Date": self.date_time_string()} | answer.headers).items():
                self.send_header(name, text)
            if sent != "endless" and answer.status != 204:
                self.send_header("Content-Length", str(len(body) + (sent in ("cut", "slow"))))
            self.end_headers()
            if self.command == "HEAD":
                return
            for byte in body[:_DRIPS] if sent == "slow" else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(_DRIP_S)
            if sent != "slow":
                self.wfile.write(body[: len(body) // 2] if sent == "cut" else body)
            for _ in range(_ENDLESS_MB if sent == "endless" else 0):
                self.wfile.write(b" " * 2**20)

    return Door


def _looks(service: str, method: str, path: str, body: bytes) -> str:
    """A request by what distinguishes it: no ids, no values; of IAM and STS, what is asked of them."""
    parts = urlsplit(path)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    if service == "s3" and method == "POST" and not names:
        names = [text for name, text in parse_qsl(body.decode("latin-1")) if name == "Action"]
    return " ".join([service, method, _IDS.sub("{id}", parts.path), *filter(None, ["&".join(names)])])
