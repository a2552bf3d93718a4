import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from opslib.sandbox.server.faults import Fault, Faults
from opslib.sandbox.server.request_log import RequestLog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

S3_CODES = {403: "AccessDenied", 404: "NoSuchKey", 429: "SlowDown", 503: "SlowDown"}
"""The error code that goes with a status when the fault has no body of its own; else InternalError."""

BACK_DOORS = ("/moto-api", "/latest/")
"""moto's own paths, through which anyone could switch IAM off; a real S3 has none."""


class S3Server:
    """Serves S3, IAM, STS and KMS on 127.0.0.1, at a port that was free. moto tells them by the signature."""

    def __init__(self, request_log: RequestLog, faults: Faults, before_each: Callable[[], None] = lambda: None) -> None:
        app = S3Middleware(DomainDispatcherApplication(create_backend_app), request_log, faults, before_each)
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="s3", daemon=True
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the port and wait for the serving thread; blocks for at most one poll."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class S3Middleware:
    """WSGI middleware: notes the request, then carries out the fault it meets, if any.

    `before_each` is called before a request reaches moto.
    """

    def __init__(
        self, app: "WSGIApplication", request_log: RequestLog, faults: Faults, before_each: Callable[[], None]
    ) -> None:
        self.before_each = before_each
        self.app = app
        self.request_log = request_log
        self.faults = faults

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        path, _, query = environ["RAW_URI"].partition("?")
        self.request_log.note("s3", method, path, query)
        fault = self.faults.take(method, path, query)
        if fault is None:
            return self._serve(environ, start_response)
        response = None
        if fault.when == "after":
            response = Response.from_app(self._serve, environ, buffered=True)
        time.sleep(fault.delay_s)
        if fault.drop:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("a fault cut this connection")
        if fault.answers:
            response = _fault_response(fault)
        elif response is None:
            response = Response.from_app(self._serve, environ)
        response.headers.update(fault.headers)
        return response(environ, start_response)

    def _serve(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Unsigned requests are refused here: moto, once held to IAM, fails on them instead. So are those about a
        bucket of somebody else: moto does not look at the expected owner, and all buckets here are of one account."""
        unsigned = "HTTP_AUTHORIZATION" not in environ
        foreign = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER", DEFAULT_ACCOUNT_ID) != DEFAULT_ACCOUNT_ID
        if environ["PATH_INFO"].startswith(BACK_DOORS) or unsigned or foreign:
            return _error_response(403)(environ, start_response)
        self.before_each()
        return self.app(environ, start_response)


class _QuietHandler(MotoRequestHandler):
    """Without an access log: it would hold signatures, and `RequestLog` has what is needed."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def _fault_response(fault: Fault) -> Response:
    if fault.body is None:
        return _error_response(fault.status or 200)
    media_type, content = fault.payload()
    if content.startswith(b"<"):
        media_type = "application/xml"
    return Response(content, fault.status or 200, content_type=media_type)


def _error_response(status: int) -> Response:
    """An S3 error document; nothing at all for a status that is no error."""
    if status < 300 or status == 304:
        return Response(status=status)
    code = S3_CODES.get(status, "InternalError")
    xml = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    request_id = {"x-amz-request-id": secrets.token_hex(8).upper()}
    return Response(xml, status, request_id, content_type="application/xml")
