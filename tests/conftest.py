"""One sandbox process for the whole session, reset before each test; and a clock that waits for nothing."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from .no_skips import pytest_sessionfinish as pytest_sessionfinish
from .world import INTEGRATIONS, POLICIES, RETENTION_POLICIES, SIGNING_KEY, TARGETS, WEBHOOKS, Api, Sandbox, running

# How long an example takes is a matter of how busy the machine is.
settings.register_profile("opslib", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("opslib")


@pytest.fixture(scope="session", autouse=True)
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A key for this session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SIGNING_KEY, str(tmp_path_factory.mktemp("keys") / "signing_key.pem"))
        yield


# The files that take minutes begin first, so that no worker is alone with one of them at the end.
_LONGEST = ("router/test_crash.py", "browser/", "router/test_both_backends.py", "campaign/", "router/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "spark" not in config.option.markexpr:  # `make test-spark`, which installs what they need
        items[:] = [item for item in items if not item.get_closest_marker("spark")]

    def place(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((at for at, name in enumerate(_LONGEST) if f"/tests/{name}" in path), len(_LONGEST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    with running("--seed", "7") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    """The shared sandbox with its resources, faults, log and settings as they were at the start."""
    shared.control("DELETE", "/faults")
    shared.control(
        "PUT",
        "/settings",
        {
            "token_ttl_s": 86400,
            "read_lag_s": 0.0,
            "rate_limit": 10_000,
            "rate_window_s": 60.0,
            "backend": "both",
            "stage_s": 0.2,
            "integration_shape": "role-in-properties",
        },
    )
    api = shared.api()
    for path in (WEBHOOKS, POLICIES, TARGETS, RETENTION_POLICIES, INTEGRATIONS, f"{INTEGRATIONS}/credentials"):
        while page := api("GET", path + "?pageSize=100").json()["entities"]:
            for entity in page:
                api("DELETE", entity["selfUri"])
    shared.control("PUT", "/settings", {"rate_limit": 300})
    shared.control("DELETE", "/requests")
    return shared


@pytest.fixture
def api(sandbox: Sandbox) -> Api:
    api = sandbox.api()
    sandbox.control("DELETE", "/requests")
    return api


@pytest.fixture
async def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that were asked for; none is waited, but the event loop's clock goes on as if."""
    asked: list[float] = []
    loop = asyncio.get_running_loop()
    time = loop.time

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr(loop, "time", lambda: time() + sum(asked))
    return asked
