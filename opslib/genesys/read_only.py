from typing import Any

import httpx

from opslib.errors import InvalidInput
from opslib.genesys.answers import JSON
from opslib.genesys.client import GenesysClient


class ReadOnlyClient(GenesysClient):
    """Sends nothing but GET. `heard` has the names of the headers of each answer, in lower case."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.heard: list[frozenset[str]] = []

    async def request(self, method: str, endpoint: str, **about: Any) -> JSON:
        if method != "GET":
            raise InvalidInput(
                f"{method} {endpoint} was not sent",
                cause="this command only reads",
                fix="report this as a fault of opslib; nothing was sent",
            )
        return await super().request(method, endpoint, **about)

    def _note(self, response: httpx.Response) -> None:
        super()._note(response)
        self.heard.append(frozenset(response.headers))
