import asyncio
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opslib.sandbox.server.connection import Connection
from opslib.sandbox.server.errors import ANSWER_HEADERS, CORRELATION_ID, bare_error
from opslib.sandbox.server.faults import Fault, Faults
from opslib.sandbox.server.request_log import RequestLog, Service


class Middleware:
    """ASGI middleware, outermost.

    It rewrites the path to what was on the wire, so that an id holding an encoded slash stays one segment; routes
    decode their own parameters.
    """

    def __init__(self, app: ASGIApp, service: Service, request_log: RequestLog, faults: Faults) -> None:
        self.app = app
        self.service = service
        self.request_log = request_log
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        correlation = self.request_log.new_id(self.service)
        answer_headers = {CORRELATION_ID: correlation}
        path = scope["raw_path"].decode("ascii")
        scope = {**scope, "path": path, ANSWER_HEADERS: answer_headers}
        query = scope["query_string"].decode()
        self.request_log.note(self.service, scope["method"], path, query, correlation)
        fault = self.faults.take(scope["method"], path, query)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {"Date": formatdate(usegmt=True), **answer_headers, **(fault.headers if fault else {})}
                MutableHeaders(scope=message).update(headers)
            await send(message)

        if fault is None:
            await self.app(scope, receive, send_with_headers)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        if fault.when == "after":
            await self.app(scope, receive, hold)
        await asyncio.sleep(fault.delay_s)
        if fault.drop:
            await Connection.cut(scope, receive)
        elif fault.answers:
            await _fault_response(fault, correlation)(scope, receive, send_with_headers)
        elif fault.when == "after":
            for message in held:
                await send_with_headers(message)
        else:
            await self.app(scope, receive, send_with_headers)


def _fault_response(fault: Fault, correlation: str) -> Response:
    if fault.body is not None:
        media_type, content = fault.payload()
        return Response(content, status_code=fault.status or 200, media_type=media_type)
    status = fault.status or 200
    if status < 300 or status == 304:
        return Response(status_code=status)
    return JSONResponse(bare_error(status).body(correlation), status_code=status)
