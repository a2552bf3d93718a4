"""The official SDK, unmodified, at the sandbox's door."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from ..world import Json, Sandbox


@pytest.fixture(scope="session")
def genesys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The SDK's package. It takes seconds to import, and watches the home folder for its settings: an empty one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        import PureCloudPlatformClientV2

        yield PureCloudPlatformClientV2


class Sdk:
    """One client of the SDK: `sdk.RecordingApi` is that API, already signed in."""

    def __init__(self, package: ModuleType, sandbox: Sandbox, credentials: Json) -> None:
        self.models = package
        client = package.api_client.ApiClient(host=sandbox["api_url"])
        self.client = client.get_client_credentials_token(credentials["client_id"], credentials["client_secret"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.models, name)(self.client)

    def model(self, name: str, /, **fields: Any) -> Any:
        made = getattr(self.models, name)()
        for field, value in fields.items():
            assert field in made.swagger_types
            setattr(made, field, value)
        return made


@pytest.fixture
def sdk(genesys: ModuleType, sandbox: Sandbox) -> Sdk:
    return Sdk(genesys, sandbox, sandbox.facts)


@pytest.fixture
def limited(genesys: ModuleType, sandbox: Sandbox) -> Any:
    """Makes an SDK client that has these permissions only."""

    def make(*permissions: str) -> Sdk:
        credentials = sandbox.control("POST", "/clients", {"scopes": list(permissions)}).json()
        return Sdk(genesys, sandbox, credentials)

    return make
