"""One PUT at a time, ten and fifty at once: our client beside the official SDK, httpx, aiohttp and the tutorial's way.

    .venv/bin/python benchmarks/client_speed.py [--rounds 7] [--calls 300] [--http]

The server is a process of its own on loopback and speaks HTTPS, with a certificate made for the run. In each round each
way sends the same calls to it, in random order; a ratio is that to one shared httpx client in the same round, so that
a busy machine matters less. Ours ends when its ledger is on disk. The second table is how late the event loop was at
worst for a tick of 5 ms, with 50 calls at once.

It needs the test tools (`make lint` installs them): the official SDK is one.
"""

import argparse
import asyncio
import contextlib
import datetime
import ipaddress
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opslib.genesys.client import GenesysClient
from opslib.genesys.recorder import Recorder
from opslib.ledger.ledger import Ledger, Run

AT_ONCE = (1, 10, 50)
BASIS = "one shared httpx client"
TUTORIAL = "a client per call (tutorial)"
TUTORIAL_CALLS = 40
TICK_S = 0.005
ENDPOINT = "/api/v2/recording/mediaretentionpolicies/{id}"
PATH = ENDPOINT.format(id="b2c3d4e5-f6a7-8901-bcde-f12345678901")
BODY = {
    "name": "ComplianceVoicePolicy", "order": 1, "enabled": True, "description": "Voice recordings are kept for a year",
    "actions": {"retainRecording": True, "deleteRecording": False, "alwaysDelete": False},
    "conditions": {"mediaTypes": ["CALL"], "directions": ["INBOUND", "OUTBOUND"], "dateRanges": []},
}  # fmt: skip
HEADERS = {"Authorization": "Bearer benchmark"}

Send = Callable[[], Awaitable[object]]


class Bearer(httpx.Auth):
    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers.update(HEADERS)
        yield request


async def serve(certificate: Path) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=await request.read(), content_type="application/json")

    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    sites = [web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context) for context in (None, tls)]
    for site in sites:
        await site.start()
    print(*[port for _, port in runner.addresses], flush=True)
    await asyncio.Event().wait()


def make_certificate(file: Path) -> None:
    """Of 127.0.0.1, signed by itself, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmark")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))


@contextlib.contextmanager
def server(certificate: Path) -> Iterator[dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(certificate)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        http, https = process.stdout.readline().split()
        yield {"http": f"http://127.0.0.1:{http}", "https": f"https://127.0.0.1:{https}"}
    finally:
        process.terminate()
        process.wait()


async def seconds(send: Send, calls: int, at_once: int) -> float:
    """For all of the calls, so many at once."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await send()

    start = time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(at_once)])
    return time.perf_counter() - start


def official(url: str, certificate: Path, threads: ThreadPoolExecutor) -> Send:
    import PureCloudPlatformClientV2 as sdk

    sdk.configuration.ssl_context = ssl.create_default_context(cafile=str(certificate))
    client = sdk.api_client.ApiClient(host=url)
    client.access_token = "benchmark"
    put = sdk.RecordingApi(client).put_recording_mediaretentionpolicy
    policy_id = PATH.rpartition("/")[2]
    return lambda: asyncio.get_running_loop().run_in_executor(threads, put, policy_id, BODY)


class Ways:
    """What is compared, each as a function that sends one PUT and reads the answer."""

    def __init__(self, url: str, certificate: Path, run: Run, at_once: int) -> None:
        self._url, self._run = url, run
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._shared = httpx.AsyncClient(headers=HEADERS, verify=self._tls)
        self._aiohttp = aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(ssl=self._tls))
        self._ours = {
            "opslib, with ledger": GenesysClient(url, Bearer(), Recorder(run.note)),
            "opslib, without ledger": GenesysClient(url, Bearer(), Recorder(lambda kind, data: None)),
        }
        self._threads = ThreadPoolExecutor(at_once)
        self.send: dict[str, Send] = {
            BASIS: self._httpx,
            TUTORIAL: self._client_per_call,
            "official SDK, in threads": official(url, certificate, self._threads),
            "bare aiohttp": self._bare_aiohttp,
            **{name: self._opslib(client) for name, client in self._ours.items()},
        }

    async def _httpx(self) -> None:
        (await self._shared.put(self._url + PATH, json=BODY)).json()

    async def _client_per_call(self) -> None:
        async with httpx.AsyncClient(headers=HEADERS) as client:  # which reads SSL_CERT_FILE, as our own does
            (await client.put(self._url + PATH, json=BODY)).json()

    async def _bare_aiohttp(self) -> None:
        async with self._aiohttp.put(self._url + PATH, json=BODY) as answer:
            await answer.json()

    def _opslib(self, client: GenesysClient) -> Send:
        return lambda: client.request("PUT", ENDPOINT, ids={"id": PATH.rpartition("/")[2]}, json=BODY)

    async def ms(self, name: str, calls: int, at_once: int) -> float:
        """Milliseconds a call."""
        start = time.perf_counter()
        await seconds(self.send[name], calls, at_once)
        self._run.ledger.flush()
        return (time.perf_counter() - start) / calls * 1000

    async def aclose(self) -> None:
        for client in (self._shared, *self._ours.values()):
            await client.aclose()
        await self._aiohttp.close()
        self._threads.shutdown()


async def worst_lag_ms(ways: Ways, name: str, calls: int) -> float:
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            start = time.perf_counter()
            await asyncio.sleep(TICK_S)
            worst = max(worst, time.perf_counter() - start - TICK_S)

    ticker = asyncio.create_task(tick())
    await seconds(ways.send[name], calls, 50)
    ticker.cancel()
    return worst * 1000


async def compare(url: str, certificate: Path, run: Run, rounds: int, calls: int) -> None:
    for at_once in AT_ONCE:
        ways = Ways(url, certificate, run, at_once)
        measured = list[dict[str, float]]()
        for number in range(rounds + 1):  # the first opens connections, and does not count
            found = {}
            for name in random.sample([*ways.send], len(ways.send)):
                found[name] = await ways.ms(name, TUTORIAL_CALLS if name == TUTORIAL else calls, at_once)
            measured += [found] if number else []
        print(f"\n{url.partition(':')[0]}, {at_once} at once: min / median / max of {rounds} rounds")
        for name in ways.send:
            ms = sorted(each[name] for each in measured)
            ratios = sorted(each[name] / each[BASIS] for each in measured)
            low, middle, high = ratios[0], statistics.median(ratios), ratios[-1]
            print(f"  {name:30} {low:6.2f} / {middle:6.2f} / {high:6.2f}   {statistics.median(ms):7.2f} ms a call")
        if at_once == AT_ONCE[-1]:
            lags = [await worst_lag_ms(ways, "opslib, with ledger", calls * 4) for _ in range(rounds)]
            print(
                f"  event loop late, with ledger   {min(lags):.0f} / {statistics.median(lags):.0f} / {max(lags):.0f} ms"
            )
        await ways.aclose()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--http", action="store_true", help="also without TLS")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "server.pem"), Path(folder, "key.pem")
        make_certificate(certificate)
        os.environ.update(SSL_CERT_FILE=str(certificate), HOME=folder)
        run = Ledger(Path(folder, "home"), key).start_run("benchmark")
        with server(certificate) as urls:
            for scheme in ("https", "http") if asked.http else ("https",):
                asyncio.run(compare(urls[scheme], certificate, run, asked.rounds, asked.calls))
        run.ledger.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
