"""The names that a policy's form offers: read page by page from the org, each list for itself."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from opslib.auth import GenesysAuthManager
from opslib.errors import DeadlineExceeded, OpslibError, PermissionMissing, UnexpectedAnswer
from opslib.genesys import names
from opslib.genesys.client import GenesysClient
from opslib.genesys.names import LISTS, Names, read_names
from opslib.genesys.recorder import Recorder
from opslib.settings import Settings

from ..local_server import QuietHandler, serving
from ..world import Json, Sandbox, environment

Ask = Callable[..., Awaitable[Mapping[str, Names | OpslibError]]]


async def read_by(auth: GenesysAuthManager, within_s: float = 60) -> Mapping[str, Names | OpslibError]:
    client = GenesysClient(auth.base_url, auth, Recorder(lambda kind, data: None))
    try:
        return await read_names(client, within_s)
    finally:
        await client.aclose()
        await auth.aclose()


@pytest.fixture
def ask(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """The names from the sandbox; with permissions, by a client that has just these."""
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)

    async def read(*permissions: str, within_s: float = 60) -> Mapping[str, Names | OpslibError]:
        who: Json = sandbox.facts
        if permissions:
            who = sandbox.control("POST", "/clients", {"scopes": list(permissions)}).json()
        auth = GenesysAuthManager(who["client_id"], who["client_secret"], "org", settings=Settings.load())
        return await read_by(auth, within_s)

    return read


def listed(read: object) -> list[str]:
    assert isinstance(read, Names)
    return list(read.by_id.values())


async def test_names_come_from_every_page(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """By page number, and the teams by cursor."""
    monkeypatch.setattr(names, "_PAGE_SIZE", 1)
    read = await ask()
    assert set(read) == set(LISTS)
    assert listed(read["queues"]) == ["Billing", "Claims", "Sales", "Support"]
    assert listed(read["teams"]) == ["Back office", "Day shift", "Night shift"]
    assert not any(isinstance(one, Names) and one.more for one in read.values())


async def test_only_the_first_names_are_read(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is known that there are others."""
    monkeypatch.setattr(names, "_PAGE_SIZE", 1)
    monkeypatch.setattr(names, "_MOST_PAGES", 2)
    read = await ask()
    for one in read.values():
        assert isinstance(one, Names)
        assert (len(one.by_id), one.more) == (2, True)


async def test_a_list_that_may_not_be_read_leaves_the_others(ask: Ask) -> None:
    """Its error names the permission."""
    read = await ask("routing:queue:view")
    assert "Sales" in listed(read["queues"])
    refused = read["users"]
    assert isinstance(refused, PermissionMissing)
    assert "directory:user:view" in refused.cause


async def test_no_answer_in_time_is_an_error_of_each_list(ask: Ask) -> None:
    """Nothing is waited for once the time is up."""
    read = await ask(within_s=0)
    assert {type(one) for one in read.values()} == {DeadlineExceeded}


@pytest.mark.parametrize(
    "page",
    [{"entities": [{"name": "Sales"}]}, {"entities": [{"id": "a", "name": 5}]}, {"queues": []}, []],
)
async def test_an_answer_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch, page: object) -> None:
    """No name is guessed from it."""

    async def token(self: GenesysAuthManager) -> str:
        return "names-test-token"

    monkeypatch.setattr(GenesysAuthManager, "get_access_token", token)
    body = json.dumps(page).encode()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as url:
        read = await read_by(GenesysAuthManager("c", "names-secret", "o", base_url=url))
    assert {type(one) for one in read.values()} == {UnexpectedAnswer}
