"""Answers of the API that are not the API's: each is refused in words, none ends in another exception."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opslib import Onboarding
from opslib.auth import GenesysAuthManager
from opslib.credentials import AwsKeys, KeyReference
from opslib.errors import ConnectionFailed, OpslibError, RateLimited, UnexpectedAnswer
from opslib.genesys import integrations, transport
from opslib.genesys.answers import Entity, Page, Shape, content, error_body, parse_json
from opslib.genesys.audit_log import audit_entries, change
from opslib.genesys.backend import Backend, Kind
from opslib.genesys.client import GenesysClient
from opslib.genesys.datalake import DataLake
from opslib.genesys.platform_backend import PlatformBackend
from opslib.genesys.recorder import Recorder
from opslib.genesys.storage_targets_backend import StorageTargetsBackend
from opslib.router.plan import make_plan
from opslib.settings import MAX_ANSWER_BYTES, Settings
from opslib.walk.doctor import examine
from opslib.walk.state_machine import hash_of

from ..router import org as storage_targets
from ..router import platform_org as platform
from ..router.org import operator
from ..world import Api, Sandbox
from .foreign_org import Key, Recording, Replay, places, replaced

SURROGATE = '"\\ud800"'


def response(body: bytes | str, status: int = 200, path: str = "/api/v2/things") -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    request = httpx.Request("GET", f"https://api.mypurecloud.de{path}")
    return httpx.Response(status, content=content, request=request, headers={"ININ-Correlation-Id": "c-1"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 9007199254740993}', "9007199254740991"),
        (b'{"a": ' + b"7" * 100_000 + b"}", "digits"),
        (b'{"a": "\\ud800"}', "surrogates"),
        (b'{"\\udfff": 1}', "surrogates"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "levels"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
        ('{"a": "ü"}'.encode("latin-1"), "utf-8"),
        ('{"a": "ü"}'.encode("utf-16"), "utf-8"),
    ],
)
def test_what_is_not_i_json_is_refused(body: bytes, why: str) -> None:
    """Before anything is read from it: another program, or our own ledger, would read something else."""
    with pytest.raises(UnexpectedAnswer, match=why) as caught:
        content(response(body), Entity)
    assert (caught.value.status, caught.value.correlation_id) == (200, "c-1")
    assert "GET /api/v2/things" in caught.value.title


def test_a_byte_order_mark_and_unknown_fields_do_no_harm() -> None:
    """The answer is kept as it came."""
    body = b'\xef\xbb\xbf{"id": "x", "new": {"deep": [1.5, true, null]}, "big": 9007199254740991}'
    assert content(response(body), Entity) == {
        "id": "x", "new": {"deep": [1.5, True, None]}, "big": 9007199254740991
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "body", "cause"),
    [
        (Entity, [1], "an object was expected, and a list came"),
        (Entity, {}, "id: Field required was expected, and nothing came"),
        (Entity, {"id": None}, "id: a valid string was expected, and null came"),
        (Entity, {"id": 5}, "id: a valid string was expected, and 5 came"),
        (Entity, {"id": ".."}, "and a text of 2 characters came"),
        (Page[Entity], {"entities": None}, "entities: a valid list was expected, and null came"),
        (Page[Entity], {"entities": [{"id": "a"}, 7]}, "entities.1"),
        (Page[Entity], {"entities": [{"id": "a"}, {"name": "n"}]}, "entities.1.id"),
        (Page[Entity], {"entities": [], "total": "3"}, "total: a valid integer was expected"),
        (Page[Entity], {"entities": [], "pageCount": -1}, "pageCount: greater than or equal to 0 was expected, and -1"),
        (Page[Entity], {"entities": [None, None]}, "1 more fields are wrong"),
    ],
)
def test_another_shape_names_the_field_and_what_came(shape: type[Shape], body: Any, cause: str) -> None:
    """What was expected and what came, but no text of the answer: it may be a secret."""
    with pytest.raises(UnexpectedAnswer) as caught:
        content(response(json.dumps(body)), shape)
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    "body",
    [
        '{"errors": 5}',
        '{"errors": [5, null, {"message": 7}]}',
        '{"message": {"a": 1}, "contextId": 7}',
        '{"message": ' + SURROGATE + "}",
        "[]",
        "null",
        '"text"',
        "[" * 100_000,
        "",
    ],
)
def test_an_odd_refusal_is_still_a_refusal(body: str) -> None:
    """The error path never raises; what cannot be read is left out."""
    said = error_body(response(body, 400))
    assert (said.message, said.context_id) == ("", None)


def test_a_long_refusal_is_shortened() -> None:
    """Of a page of words, the first 500 characters are shown."""
    assert len(error_body(response(json.dumps({"message": "x" * 100_000}), 400)).message) == 500


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_value_or_a_reason(body: bytes) -> None:
    """What is taken can be hashed and sent again; all else is a ValueError, as an error body's is nothing."""
    error_body(response(body, 400))
    try:
        value = parse_json(body)
    except ValueError:
        return
    hash_of(value)


# ---- every answer of both backends, each with something else in it ----


@pytest.fixture(params=["storage-targets", "platform"])
def backend_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def recorded(
    backend_name: str, sandbox: Sandbox, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Recorded":
    """What the sandbox answers to everything that `_ask` asks."""
    org: Any = platform if backend_name == "platform" else storage_targets
    sandbox.control("PUT", "/settings", {"rate_limit": 100_000, "stage_s": 0.0})
    wanted: Onboarding = org.onboarding(sandbox)
    answers: dict[Key, tuple[int, Any]] = {}
    Recording.answers, Recording.asked = answers, set()
    monkeypatch.setattr(transport, "ByHost", Recording)
    monkeypatch.setattr(integrations, "poll_until", _once)
    monkeypatch.setattr("opslib.genesys.audit_log.poll_until", _once)
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda *_: 0.0)
    monkeypatch.setattr("opslib.auth._RATE_LIMIT_WAITS_S", (0.0,))
    async with operator(sandbox, tmp_path / "home", monkeypatch, backend_name) as ops:
        await ops.apply(wanted)
        answers.clear()
        asked: dict[str, set[Key]] = {}
        for part in PARTS:
            Recording.asked = asked[part] = set()
            await _ask(backend_name, wanted, sandbox, {part})
    return Recorded(backend_name, wanted, sandbox, answers, asked)


class Recorded:
    def __init__(
        self,
        backend: str,
        wanted: Onboarding,
        sandbox: Sandbox,
        answers: dict[Key, tuple[int, Any]],
        asked: dict[str, set[Key]],
    ) -> None:
        self._backend, self._wanted, self._sandbox, self._answers = backend, wanted, sandbox, answers
        self._asked = asked
        self.places = [
            (key, at)
            for key, (status, body) in sorted(answers.items())
            if status < 300 and body is not None
            for at in places(body)
        ]

    def ask(self, key: Key, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        """All that asks for this answer, where it is this one. Raises whatever is not an OpslibError."""
        monkeypatch.setattr(transport, "ByHost", lambda: Replay(self._answers, key, body))
        parts = {part for part, keys in self._asked.items() if key in keys}
        asyncio.run(_ask(self._backend, self._wanted, self._sandbox, parts))

    def with_odd(self, key: Key, at: Any, odd: Any) -> bytes:
        return json.dumps(replaced(self._answers[key][1], at, odd)).encode()


async def _once(ask: Callable[[], Awaitable[Any]], is_final: Callable[[Any], object] = bool, **_: Any) -> Any:
    """A poll that does not wait."""
    return await ask()


PARTS = ("plan", "write", "adopt", "look", "doctor", "lake", "audit")


def _can_be_hashed(kind: str, data: dict[str, Any]) -> None:
    assert hash_of(data)


async def _ask(name: str, wanted: Onboarding, sandbox: Sandbox, chosen: set[str]) -> None:
    """What a walk, `export`, `changes`, `doctor` and the data lake ask of an org; each part may be refused."""
    auth = GenesysAuthManager(sandbox["client_id"], sandbox["client_secret"], "org", settings=Settings.load())
    client = GenesysClient(auth.base_url, auth, Recorder(_can_be_hashed))
    storage, published = StorageTargetsBackend(client), PlatformBackend(client)
    backend: Backend = published if name == "platform" else storage
    reference = wanted.target.credentials
    credentials = reference.resolve() if isinstance(reference, KeyReference) else reference
    kinds: tuple[Kind, ...] = ("target", "policy", "webhook")

    async def plan() -> None:
        plan = await make_plan(backend, wanted, credentials)
        hash_of(plan.as_json())
        backend.notes(wanted)

    async def write() -> None:
        for item in await backend.items(wanted, credentials):
            keys = credentials if isinstance(credentials, AwsKeys) and item.kind == "target" else None
            hash_of(await backend.write(item.kind, item.id, item.body, keys))
            answer = await backend.read(item.kind, item.id)
            assert answer is None or hash_of(backend.comparable(answer))

    async def adopt() -> None:
        hash_of((await backend.adopt(getattr(wanted.target, "id", "") or wanted.target.name, None, None)).values())

    async def look() -> None:
        for kind in kinds:
            for body in await backend.list(kind):
                hash_of([body["id"], backend.writable(body)])
                backend.meaning(kind, backend.writable(body))

    async def audit() -> None:
        now = datetime.now(UTC)
        hash_of([change(entry) for entry in await audit_entries(client, now - timedelta(days=1), now)])

    async def doctor() -> None:
        about = await examine(client, {"storage-targets": storage, "platform": published}, wanted.backend)
        hash_of(about.as_json())

    async def lake() -> None:
        await DataLake(sandbox["datalake_url"], client.recorder).event_ids(wanted.policy.id or "p")

    for part in (plan, write, adopt, look, doctor, lake, audit):
        if part.__name__ not in chosen:
            continue
        try:
            await part()
        except OpslibError as error:
            json.dumps(error.as_json()).encode()
            str(error).encode()
    await client.aclose()
    await auth.aclose()


# The triggers that were found, and their kin.
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 5, 1.5, 2**53 + 1, 10**400, float("nan"), float("inf"), "", "x", "..", "\ud800", "\x00\x1b[2J",
    [], [None], [[]], [5], {}, {"id": None}, {"id": 5}, {"a": {"b": []}},
)  # fmt: skip


@pytest.mark.timeout(300)
def test_whatever_an_answer_holds_is_refused_or_right(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any JSON value in any place of any answer: an OpslibError with its words, or a result that can be kept."""

    @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(recorded.places), st.sampled_from(ODD) | VALUES)
    def check(place: Any, odd: Any) -> None:
        key, at = place
        recorded.ask(key, recorded.with_odd(key, at, odd), monkeypatch)

    check()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>", b"{}", b"[" * 100_000, b'{"entities": {"a": 1}}'])
def test_a_foreign_answer_to_any_request_is_refused(
    recorded: Recorded, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's page, nothing, or another program's JSON."""
    for key in {key for key, _ in recorded.places}:
        recorded.ask(key, body, monkeypatch)


# ---- on the wire ----


@asynccontextmanager
async def server(answer: bytes, *, forever: bytes = b"") -> AsyncIterator[str]:
    """Answers each connection with these bytes, and then without end with `forever`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        try:
            while forever:
                writer.write(forever)
                await writer.drain()
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], GenesysClient]:
    """A client of a URL, whose token needs no login host."""
    monkeypatch.setattr("httpx_retries.retry.Retry.backoff_strategy", lambda *_: 0.0)

    async def token(self: GenesysAuthManager) -> str:
        return "answers-test-token"

    monkeypatch.setattr(GenesysAuthManager, "get_access_token", token)
    return lambda url: GenesysClient(url, GenesysAuthManager("c", "answers-secret", "o", base_url=url), _recorder())


def _recorder() -> Recorder:
    return Recorder(lambda kind, data: None)


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "ININ-Correlation-Id: c-1", "Connection: close", *lines, "", ""]).encode()


BOMB = gzip.compress(b'{"a": "' + b" " * (64 * 2**20), mtime=0)


@pytest.mark.parametrize(
    ("answer", "forever", "why"),
    [
        (head("Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB, b"", "more than 8 MB"),
        (head("Content-Encoding: gzip, gzip") + gzip.compress(BOMB, mtime=0), b"", "packed with gzip, gzip"),
        (head("Content-Encoding: br") + b"x", b"", "packed with br"),
        (head("Content-Encoding: gzip") + b"not gzip at all", b"", "incorrect header"),
        (head("Content-Encoding: gzip") + gzip.compress(b'{"a": 1}', mtime=0)[:-9], b"", "cut off"),
        (head(), b" " * 65536, "more than 8 MB"),
        (head("Content-Encoding: gzip") + gzip.compress(b"{}", mtime=0), b"\x00" * 65536, "more than 8 MB"),
        (head(f"Content-Length: {10**12}"), b" " * 65536, "more than 8 MB"),
        (head(status="400 Bad Request"), b" " * 65536, "more than 8 MB"),
    ],
)
async def test_an_answer_has_a_limit(
    client: Callable[[str], GenesysClient], answer: bytes, forever: bytes, why: str
) -> None:
    """On the wire and unpacked, refusals too; packed answers only as asked for."""
    async with server(answer, forever=forever) as url:
        asking = client(url)
        with pytest.raises(UnexpectedAnswer, match=why) as caught:
            await asking.request("GET", "/api/v2/things")
        assert caught.value.correlation_id == "c-1"
        await asking.aclose()


async def test_an_answer_of_the_allowed_size_is_read(client: Callable[[str], GenesysClient]) -> None:
    """Packed, and to the last byte."""
    body = json.dumps({"a": "x" * (MAX_ANSWER_BYTES - 9)}).encode()
    assert len(body) == MAX_ANSWER_BYTES
    async with server(head("Content-Encoding: gzip") + gzip.compress(body)) as url:
        asking = client(url)
        assert len((await asking.request("GET", "/api/v2/things"))["a"]) == MAX_ANSWER_BYTES - 9
        await asking.aclose()


@pytest.mark.parametrize("date", ["", "x", "Mon, 09 Nov 99999999999999999999 00:00:00 GMT", "Fri, 27 Nov 2026 99:99"])
@pytest.mark.parametrize("header", ["Date", "Retry-After"])
async def test_odd_dates_are_none(client: Callable[[str], GenesysClient], header: str, date: str) -> None:
    """A date that no calendar has is as none."""
    async with server(head(f"{header}: {date}", "Content-Length: 2") + b"{}") as url:
        asking = client(url)
        assert await asking.request("GET", "/api/v2/things") == {}
        assert asking.clock_skew_s is None
        await asking.aclose()


async def test_an_odd_wait_is_the_usual_one(client: Callable[[str], GenesysClient]) -> None:
    """A Retry-After of a year that no calendar has is not understood, and is not an error of its own."""
    late = "Mon, 09 Nov 99999999999999999999 00:00:00 GMT"
    async with server(head(f"Retry-After: {late}", "Content-Length: 0", status="429 Slow")) as url:
        asking = client(url)
        with pytest.raises(RateLimited):
            await asking.request("GET", "/api/v2/things")
        await asking.aclose()


@pytest.mark.parametrize("host", ["a" * 64 + ".invalid", "no-such-host.invalid"])
async def test_a_host_that_cannot_be_asked_is_no_answer(client: Callable[[str], GenesysClient], host: str) -> None:
    """Also one that the resolver does not even take."""
    asking = client("http://127.0.0.1:1")
    asking.base_url = f"https://{host}"
    with pytest.raises(ConnectionFailed, match="No answer") as caught:
        await asking.request("GET", "/api/v2/things")
    assert caught.value.__context__ is None
    await asking.aclose()
