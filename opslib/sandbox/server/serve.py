import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from opslib.sandbox.server import storage_target_routes
from opslib.sandbox.server.arrivals import Arrivals
from opslib.sandbox.server.aws import REGION, AwsAccount
from opslib.sandbox.server.connection import Connection
from opslib.sandbox.server.control import control_app
from opslib.sandbox.server.datalake import DataLake, datalake_app
from opslib.sandbox.server.deliveries import Deliveries
from opslib.sandbox.server.errors import ApiError, answer_error
from opslib.sandbox.server.faults import Faults
from opslib.sandbox.server.guard import MISSING, MISSING_ANY, Guard
from opslib.sandbox.server.local_only import LocalOnly
from opslib.sandbox.server.middleware import Middleware
from opslib.sandbox.server.oauth import Clients, token_routes
from opslib.sandbox.server.platform import (
    audit_routes,
    conversation_job_routes,
    credential_routes,
    integration_routes,
    org_routes,
    people_routes,
    policy_routes,
    recording_job_routes,
    recording_routes,
)
from opslib.sandbox.server.platform.another_integration import add_another_integration
from opslib.sandbox.server.platform.event_feed import EventFeed
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.platform.shapes import SHAPES
from opslib.sandbox.server.platform.upload_report_routes import UploadReports
from opslib.sandbox.server.recordings import Recordings, make_recordings
from opslib.sandbox.server.request_log import RequestLog
from opslib.sandbox.server.s3 import S3Server
from opslib.sandbox.server.source import Source
from opslib.sandbox.server.world import Settings, World

HOST = "127.0.0.1"
AWS_ACTIONS = ["s3:*", "iam:*", "sts:*", "kms:*", "organizations:DescribeOrganization"]
"""What the sandbox's own AWS key may do."""


def serve(
    *,
    seed: int | None,
    until_stdin_closes: bool,
    announce: Callable[[Mapping[str, str]], str],
    recordings: int = 0,
    planted: bool = False,
    **settings: Any,
) -> None:
    """A local Genesys Cloud, S3 and data lake on free loopback ports, until SIGINT or SIGTERM.

    When all of them are ready, stdout gets what `announce` makes of their URLs and ids, and nothing else, ever.
    The same seed gives the same ids; secrets are random. `until_stdin_closes`: also stop at the end of stdin, so that a
    dead parent leaves nothing running. `recordings`: how many arrive in the bucket once they are routed there; with
    `planted`, not all as they should. `settings`: see `Settings`.
    """
    stdout = sys.stdout

    def ready(facts: Mapping[str, str]) -> None:
        print(announce(facts), file=stdout, flush=True)

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory(prefix="opslib-") as folder:
        world = World(seed, Settings(**settings))
        made = make_recordings(world.identity, recordings, planted=planted) if recordings else None
        asyncio.run(_serve(world, made, Path(folder), until_stdin_closes, ready))


async def _serve(
    world: World,
    recordings: Recordings | None,
    folder: Path,
    until_stdin_closes: bool,
    ready: Callable[[Mapping[str, str]], None],
) -> None:
    seed = world.identity.seed
    request_log, faults, clients, aws = RequestLog(seed), Faults(), Clients(), AwsAccount(seed)
    lake, deliveries = DataLake(folder / "catalogue.sqlite3"), Deliveries(world)
    sockets = {name: _listen() for name in ("api", "login", "datalake", "downloads", "control")}
    urls = {f"{name}_url": f"http://{HOST}:{listener.getsockname()[1]}" for name, listener in sockets.items()}
    org = Org(world, aws, EventFeed(deliveries, urls["datalake_url"]))
    tokens, source = token_routes(clients, world), Source(world, recordings)
    reports = UploadReports(world, source, urls["downloads_url"])
    apps: dict[str, ASGIApp] = {
        "api": Middleware(_api(clients, tokens, org, source, reports, deliveries), "api", request_log, faults),
        "login": Middleware(_genesys(tokens), "login", request_log, faults),
        "downloads": Middleware(_genesys(reports.downloads()), "downloads", request_log, faults),
        "datalake": Middleware(datalake_app(lake), "datalake", request_log, faults),
        "control": LocalOnly(
            control_app(world, clients, faults, request_log, deliveries, aws), sockets["control"].getsockname()[1]
        ),
    }
    seeded = _seed_org(world, clients, aws)
    loop = asyncio.get_running_loop()
    if recordings:
        arrivals = Arrivals(org, seeded["bucket"], recordings, source, folder)
        s3 = S3Server(request_log, faults, arrivals.from_thread(loop))
        seeded |= arrivals.facts()
    else:
        s3 = S3Server(request_log, faults)
    facts = {**urls, "s3_url": s3.url, **seeded}
    if SHAPES[world.settings.integration_shape].another_active:
        add_another_integration(org)
    by_port = {listener.getsockname()[1]: apps[name] for name, listener in sockets.items()}
    server = _Server(_by_port(by_port), lambda: ready(facts))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    if until_stdin_closes:
        _at_end_of_stdin(loop, server.stop)
    s3.start()
    try:
        await server.serve(list(sockets.values()))
    finally:
        s3.stop()
        await deliveries.aclose()
        lake.close()


def _seed_org(world: World, clients: Clients, aws: AwsAccount) -> dict[str, str]:
    """The first client, AWS key, bucket and role. Genesys's external id is the organization's id."""
    org = world.identity
    client = clients.add(org.client_id)
    key = aws.add_user(AWS_ACTIONS)
    bucket = f"genesys-cloud-recordings-{org.suffix}"
    aws.add_compliant_bucket(bucket)
    return {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "org_id": org.org_id,
        "aws_access_key_id": key.access_key_id,
        "aws_secret_access_key": key.secret_access_key,
        "region": REGION,
        "bucket": bucket,
        "role_arn": aws.add_role(f"genesys-recordings-{org.suffix}", org.org_id, bucket),
        "external_id": org.org_id,
    }


class _Server(uvicorn.Server):
    """One uvicorn for all ports. The signals are ours: uvicorn would raise them again when done."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,  # the middleware sets it, so that a fault can set another
            proxy_headers=False,  # a connection is known by its true ends, see Connection
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._on_ready = on_ready

    def stop(self) -> None:
        """An answer that a fault holds back is cut off after 1 s; uvicorn would log that as an error."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _api(
    clients: Clients, tokens: list[Route], org: Org, source: Source, reports: UploadReports, deliveries: Deliveries
) -> ASGIApp:
    """The API, which serves what the setting says at the moment of the request. Recordings are there on either."""
    world = org.world
    guard, any_of = Guard(clients, world, MISSING), Guard(clients, world, MISSING_ANY)
    storage_targets = storage_target_routes.routes(world, any_of, deliveries)
    recorded = [
        *conversation_job_routes.routes(world, source, guard),
        *recording_routes.routes(source, any_of),
        *recording_job_routes.routes(org, source, guard),
        *reports.routes(guard),
    ]
    platform = [
        *org_routes.routes(world, clients, guard),
        *credential_routes.routes(org, guard),
        *integration_routes.routes(org, guard),
        *policy_routes.routes(org, guard),
        *people_routes.routes(guard),
        *audit_routes.routes(org, guard),
    ]
    served = {
        "both": _genesys([*tokens, *storage_targets, *recorded, *platform]),
        "storage-targets": _genesys([*tokens, *storage_targets, *recorded]),
        "platform": _genesys([*tokens, *recorded, *platform]),
    }

    async def serve_backend(scope: Scope, receive: Receive, send: Send) -> None:
        await served[world.settings.backend](scope, receive, send)

    return serve_backend


def _genesys(routes: list[Route]) -> Starlette:
    handlers = {error: answer_error for error in (ApiError, HTTPException, ClientDisconnect, Exception)}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def _by_port(apps: Mapping[int, ASGIApp]) -> ASGIApp:
    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["server"][1]](scope, receive, send)

    return dispatch


def _listen() -> socket.socket:
    """A bound socket: its port is ours from here on.

    The protocol is named because asyncio turns Nagle's algorithm off only where it is; without, every
    answer on a kept connection waits 40 ms for the client's acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, 0))
    return listener


def _at_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Plain os.read on a daemon thread: stdin may be a pipe, a file or a device, and must not block exit."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has stopped already
            loop.call_soon_threadsafe(stop)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
