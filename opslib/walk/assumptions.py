"""Asks a live org, by GET only, which of the assumptions of `opslib.genesys.assumptions` hold there."""

import asyncio
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from opslib.errors import InvalidInput
from opslib.genesys.assumptions import ASSUMPTIONS, Assumption, Holds, Judgement, Org
from opslib.genesys.read_only import ReadOnlyClient
from opslib.ledger.moment import utc_now
from opslib.redact import anonymous
from opslib.visible import visible_json, visible_line
from opslib.walk.walk import Walk

# After this time (seconds) what the org has not answered stays open.
_ANSWERS_WITHIN_S = 60.0

# What needs a look comes first.
_TITLES: dict[Holds, str] = {"no": "Does not hold", "not_known": "Not known", "yes": "Holds"}


@dataclass(frozen=True)
class Judged:
    """What an org's answers say of each assumption. `connected`: at least one answer came."""

    judgements: tuple[tuple[Assumption, Judgement], ...]
    connected: bool
    region: str

    @property
    def failed(self) -> bool:
        return not self.connected or any(judgement.holds == "no" for _, judgement in self.judgements)

    def as_json(self) -> list[dict[str, str]]:
        """[{id, statement, holds: yes|no|not_known, evidence, rests_on}]."""
        return [
            {
                "id": one.id,
                "statement": one.statement,
                "holds": judgement.holds,
                "evidence": _evidence(judgement),
                "rests_on": one.rests_on,
            }
            for one, judgement in self.judgements
        ]

    def as_text(self) -> str:
        """A block for each answer, what does not hold first."""
        blocks = []
        for holds, title in _TITLES.items():
            lines = [_lines(one, judgement) for one, judgement in self.judgements if judgement.holds == holds]
            blocks.append("\n".join([f"{title} ({len(lines)})", *lines]))
        return "\n\n".join(blocks)

    def write(self, file: Path) -> None:
        """A copy to send to others: without ids, names, addresses and account numbers. Raises InvalidInput."""
        about = {"opslib": version("opslib"), "at": utc_now(), "region": self.region}
        published = [anonymous(judgement.evidence) for _, judgement in self.judgements]
        rows = [row | {"evidence": words} for row, words in zip(self.as_json(), published, strict=True)]
        whole: dict[str, Any] = {**about, "assumptions": rows}
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as target:
                target.write(visible_json(whole, indent=2) + "\n")
        except OSError as error:
            raise InvalidInput(
                f"{file} cannot be written", cause=error.strerror or str(error), fix="name another file with --out"
            ) from None


def _lines(one: Assumption, judgement: Judgement) -> str:
    words = (one.statement, f"found: {_evidence(judgement)}", f"rests on it: {one.rests_on}")
    lines = (f"  {name:26} {line}" for name, line in zip((one.id, "", ""), words, strict=True))
    return "\n".join(map(visible_line, lines))


def _evidence(judgement: Judgement) -> str:
    return ": ".join(filter(None, (judgement.evidence, judgement.words)))


async def judge_assumptions(walk: Walk) -> Judged:
    """Ask the org that the walk's settings name. Raises what a token call raises; every other failure is an answer."""
    session = await walk.open_session()
    await session.auth.get_access_token()
    settings, auth = walk.settings, session.auth
    limits = {"deadline_s": settings.deadline_s, "timeout_s": settings.timeout_s}
    client = ReadOnlyClient(auth.base_url, auth, walk.recorder, gate=auth.gate, **limits)
    try:
        async with client.operation("assumptions"):
            org = Org(client, walk.onboarding, asyncio.get_running_loop().time() + _ANSWERS_WITHIN_S)
            judgements = tuple([(one, await one.judge(org)) for one in ASSUMPTIONS.values()])
    finally:
        await client.aclose()
    region = "another address" if settings.api_url else str(settings.region)
    return Judged(judgements, bool(client.heard), region)
