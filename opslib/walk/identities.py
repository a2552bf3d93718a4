"""What AWS and Genesys call this process, noted in its run. A question without an answer is UNKNOWN, never an error."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from opslib.credentials import AwsKeys
from opslib.errors import OpslibError
from opslib.genesys.client import GenesysClient, answer
from opslib.genesys.token import TOKEN, Named, named
from opslib.ledger.actor import IDENTITY, identity
from opslib.ledger.ledger import Run
from opslib.validator.caller import ask_caller

Once = Callable[[Hashable, Callable[[], Awaitable[Any]]], Awaitable[Any]]

_ANSWERS_WITHIN_S = 20.0


class Identities:
    """Asks each of them once, for each AWS key and each OAuth client, and notes the answer in `run`. `once` asks a
    question that others may have asked already."""

    def __init__(self, run: Run, once: Once = lambda question, ask: ask()) -> None:
        self._run, self._once = run, once
        self._callers: set[str] = set()
        self._clients: set[str] = set()

    async def ask_aws(self, region: str, keys: AwsKeys | None) -> None:
        """Note who AWS says uses these keys; None for boto3's own chain."""
        key = keys.access_key_id if keys else ""
        if key in self._callers:
            return
        caller = await self._once(("caller", region, key), lambda: ask_caller(region, keys))
        self._run.append(IDENTITY, identity("AWS", caller.arn, why=caller.why))
        self._callers.add(key)

    async def ask_genesys(self, client: GenesysClient, client_id: str) -> None:
        """Note which OAuth client Genesys says this is, unless it said so already."""
        if client_id in self._clients:
            return
        async with client.operation("identify_client"):
            until = asyncio.get_running_loop().time() + _ANSWERS_WITHIN_S
            about = await answer(client, TOKEN, None, until)
        if isinstance(about, OpslibError):
            self.note_client(client_id, None, f"{about.title}: {about.cause}")
        else:
            self.note_client(client_id, named(about.get("OAuthClient")), "the answer names no OAuth client")

    def note_client(self, client_id: str, said: Named | None, why: str) -> None:
        """Note what Genesys said of the OAuth client that has this id in the settings; without an answer, why."""
        body = identity("Genesys", said.id, said.name) if said else identity("Genesys", "", why=why)
        self._run.append(IDENTITY, body)
        self._clients.add(client_id)
