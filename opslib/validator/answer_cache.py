"""Remembers AWS's answers: a call that any check has asked for is not made again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opslib.validator.aws import GLOBAL, Answer, Aws
from opslib.validator.aws_calls import CALLS


@dataclass
class AnswerCache:
    """AWS's answers to one key pair, shared by all checks of all buckets."""

    aws: Aws
    _asked: dict[tuple[str, str, str], "asyncio.Task[Answer]"] = field(default_factory=dict)

    async def ask(self, region: str, name: str, params: Mapping[str, Any]) -> Answer:
        """The answer to one call. Raises Unanswered."""
        place = "" if CALLS[name].service in GLOBAL else region
        key = place, name, repr(sorted(params.items()))
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self.aws.in_thread(lambda: self.aws.call(region, name, params)))
        return await asyncio.shield(self._asked[key])
