import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opslib.errors import ApiError, ConnectionFailed, NotFound, OpslibError, PermissionMissing, WrongOrg
from opslib.genesys.backend import Backend
from opslib.genesys.client import GenesysClient, answer
from opslib.genesys.permissions import (
    AUDITOR,
    NEEDED,
    OPERATOR,
    PURPOSES,
    SCOPES,
    Permission,
    permissions,
    purpose_of,
)
from opslib.genesys.retention import SCREEN_DAYS, SETTINGS, Maximum, maximum_of, warnings
from opslib.genesys.retry import tried_once
from opslib.genesys.server_time import SKEW_FAILS_S, SKEW_WARNS_S
from opslib.genesys.token import LIMITS, TOKEN, TOKEN_LIMIT, Named, limits_of, named, organization
from opslib.onboarding.models import BackendName, RecordingPolicy
from opslib.verdict import Readiness
from opslib.walk.right_org import Stated, wrong_orgs
from opslib.walk.session import Session

# After this time (seconds) what the org has not answered stays open.
_ANSWERS_WITHIN_S = 20.0

# Whether it answers at all is known sooner.
_REACHED_WITHIN_S = 10.0
# What a gateway answers that reaches no org.
_NOBODY_BEHIND = (502, 503, 504)

_LONGER = "raise the org's maximum interaction data retention, or lower the policy's retention_days"

API_NAMES: dict[BackendName, str] = {"storage-targets": "storage targets", "platform": "the platform API"}


@dataclass(frozen=True)
class Diagnosis:
    """What the org answered; None for what it did not say.

    Attributes:
        wanted: the backend that the onboarding needs.
        served: whether the org has each API.
        organization: whose token it is; else why that is not known.
        limits: requests and the like, by Genesys's key.
        stated: the org that is meant, wherever it is stated.
        maximum: how long the org keeps recordings; None where the backend has no such maximum.
        policy: what the onboarding wants to be kept; None where no file is named.
    """

    wanted: BackendName
    served: Mapping[BackendName, bool | None]
    organization: Named | str
    client: Named | None
    permissions: Sequence[Permission]
    limits: Mapping[str, int] | None
    clock_skew_s: float | None
    stated: Sequence[Stated] = ()
    maximum: Maximum | None = None
    policy: RecordingPolicy | None = None

    def wrong_orgs(self) -> list[WrongOrg]:
        """The errors for what is stated of the org and not so."""
        return list(wrong_orgs(self.stated, self.organization))

    def rows(self) -> list[Readiness]:
        """Every answer, with what to do about it."""
        return [
            self._served(),
            *self._who(),
            *self._right_org(),
            *(self._permission(permission) for permission in self.permissions if self._has_own_row(permission)),
            *self._optional(),
            *self._not_known(),
            self._limit(),
            *self._retention(),
            self._clock(),
        ]

    def as_json(self) -> dict[str, Any]:
        """{wanted, backends, organization, client, permissions, rate_limits, max_retention_days, clock_skew_s, roles,
        rows}."""
        return {
            "wanted": self.wanted,
            "backends": dict(self.served),
            "organization": None if isinstance(self.organization, str) else vars(self.organization),
            "client": self.client and vars(self.client),
            "permissions": [dict(vars(permission)) for permission in self.permissions],
            "rate_limits": None if self.limits is None else dict(self.limits),
            "max_retention_days": self.maximum and self.maximum.days,
            "clock_skew_s": None if self.clock_skew_s is None else round(self.clock_skew_s),
            "roles": roles(self.wanted),
            "rows": [dict(vars(row)) for row in self.rows()],
        }

    def _served(self) -> Readiness:
        apis = [API_NAMES[name] for name, served in self.served.items() if served]
        question = f"The org serves {API_NAMES[self.wanted]}"
        if self.served[self.wanted]:
            return Readiness(question, "PASS", f"it serves {' and '.join(apis)}")
        if self.served[self.wanted] is None:
            return Readiness(question, "UNKNOWN", "it gave no usable answer", "check OPSLIB_API_URL or OPSLIB_REGION")
        fix = "use that backend, in the onboarding file or as OPSLIB_BACKEND" if apis else "check OPSLIB_API_URL"
        return Readiness(question, "FAIL", f"it serves {' and '.join(apis) or 'neither API'}", fix)

    def _who(self) -> list[Readiness]:
        return [
            _known("Organisation", self.organization),
            _known("OAuth client", self.client or "the org does not say"),
        ]

    def _right_org(self) -> Iterator[Readiness]:
        if not self.stated:
            return
        question, where = "The org is the one that is meant", " and ".join(one.where for one in self.stated)
        if isinstance(self.organization, str):
            yield Readiness(question, "UNKNOWN", f"{where} cannot be compared: {self.organization}")
        elif errors := self.wrong_orgs():
            yield Readiness(question, "FAIL", errors[0].cause, errors[0].fix)
        else:
            yield Readiness(question, "PASS", f"as in {where}")

    def _permission(self, permission: Permission) -> Readiness:
        question, why = f"May {permission.name}", permission.why
        if permission.state == "present":
            return Readiness(question, "PASS", why)
        needed = permission.name in NEEDED[self.wanted]
        return Readiness(question, "FAIL" if needed else "WARN", why, "add it to a role of the OAuth client")

    def _has_own_row(self, permission: Permission) -> bool:
        return permission.state == "present" or (permission.state == "missing" and not purpose_of(permission.name))

    def _optional(self) -> Iterator[Readiness]:
        """One answer for all that is missing and that only one command needs: an onboarding does without."""
        for command, names in PURPOSES.items():
            if missing := [one for one in self.permissions if one.state == "missing" and one.name in names]:
                question = f"May {', '.join(one.name for one in missing)}"
                fix = f"for `{command}`, add what is missing to a role of the OAuth client"
                yield Readiness(question, "WARN", missing[0].why, fix)

    def _not_known(self) -> Iterator[Readiness]:
        """One answer for all permissions that are not known for the same reason."""
        names: dict[str, list[str]] = {}
        for permission in self.permissions:
            if permission.state == "not known":
                names.setdefault(permission.why, []).append(permission.name)
        for why, several in names.items():
            yield Readiness(f"May {', '.join(several)}", "UNKNOWN", why)

    def _limit(self) -> Readiness:
        question = "Requests per token and minute"
        limit = (self.limits or {}).get(TOKEN_LIMIT)
        return (
            Readiness(question, "PASS", str(limit)) if limit else Readiness(question, "UNKNOWN", "the org does not say")
        )

    def _retention(self) -> Iterator[Readiness]:
        if self.maximum is None:
            return
        question, days = "Days after which the org deletes every recording", self.maximum.days
        if days is None:
            yield Readiness(question, "UNKNOWN", f"its maximum retention is not known: {self.maximum.why}")
        elif self.policy and (cut_short := list(warnings(self.policy, self.maximum))):
            yield Readiness(question, "WARN", "; ".join([f"{days} days", *cut_short]), _LONGER)
        else:
            yield Readiness(question, "PASS", f"{days} days; screen recordings: {self.maximum.cap(SCREEN_DAYS)} days")

    def _clock(self) -> Readiness:
        question = "This machine's clock agrees with the org's"
        if self.clock_skew_s is None:
            return Readiness(question, "UNKNOWN", "the org's answers have no date")
        off_s = abs(round(self.clock_skew_s))
        if off_s < SKEW_WARNS_S:
            return Readiness(question, "PASS", "less than a minute apart")
        fails = off_s >= SKEW_FAILS_S
        return Readiness(question, "FAIL" if fails else "WARN", f"{off_s} s apart", "set the clock; use NTP")


def roles(backend: BackendName) -> dict[str, list[str]]:
    """The permissions of each role, to copy: an auditor reads, an operator also changes."""
    if backend == "storage-targets":
        return {"auditor": [*SCOPES[:2], SCOPES[-1]], "operator": list(SCOPES)}
    return {"auditor": list(AUDITOR), "operator": list(OPERATOR)}


async def reach(session: Session) -> None:
    """Ask for a token and one question, each once. Raises the error of an org that does not answer; a refusal is an
    answer, and `examine` says what it means."""
    client = session.client
    with tried_once():
        try:
            async with asyncio.timeout(_REACHED_WITHIN_S):
                await session.auth.get_access_token()
                await _ask_once(client)
        except TimeoutError as error:
            if isinstance(error, OpslibError):
                raise
            raise ConnectionFailed(
                f"No answer from {client.base_url}",
                cause=f"nothing came within {_REACHED_WITHIN_S:.0f} s",
                fix="check the network, proxy and region (OPSLIB_REGION, OPSLIB_API_URL), then try again",
            ) from None


async def _ask_once(client: GenesysClient) -> None:
    try:
        await client.request("GET", TOKEN)
    except ApiError as error:
        if error.status in _NOBODY_BEHIND:
            raise


async def examine(
    client: GenesysClient,
    backends: Mapping[BackendName, Backend],
    wanted: BackendName,
    stated: Sequence[Stated] = (),
    policy: RecordingPolicy | None = None,
) -> Diagnosis:
    """Ask the org everything. Never raises: a question without an answer stays open."""
    async with client.operation("doctor"):
        until = asyncio.get_running_loop().time() + _ANSWERS_WITHIN_S
        served = {name: await serves(backend, until) for name, backend in backends.items()}
        about = await answer(client, TOKEN, None, until)
        limits = await answer(client, LIMITS, None, until)
        maximum = maximum_of(await answer(client, SETTINGS, None, until)) if wanted == "platform" else None
        granted = await permissions(client, wanted, until)
    oauth_client = None if isinstance(about, OpslibError) else named(about.get("OAuthClient"))
    by_key = None if isinstance(limits, OpslibError) else dict(limits_of(limits))
    skew_s = client.clock_skew_s
    who = organization(about)
    return Diagnosis(wanted, served, who, oauth_client, granted, by_key, skew_s, stated, maximum, policy)


def _known(question: str, entity: Named | str) -> Readiness:
    if isinstance(entity, str):
        return Readiness(question, "UNKNOWN", entity)
    return Readiness(question, "PASS", f"{entity.name} ({entity.id})")


async def serves(backend: Backend, until: float | None = None) -> bool | None:
    """Whether the org has this API; None when that cannot be said. `until` is in the event loop's time."""
    try:
        async with asyncio.timeout_at(until):
            return await backend.probe() is not None
    except PermissionMissing:
        return True  # a refusal is an answer, too
    except (OpslibError, TimeoutError):
        return None


async def not_served(client: GenesysClient, backends: Mapping[BackendName, Backend], wanted: BackendName) -> NotFound:
    """The error for an org without the API that is wanted; it offers the other one where the org serves that."""
    other: BackendName = "platform" if wanted == "storage-targets" else "storage-targets"
    served = await serves(backends[other])
    fix = (
        f"use backend: {other}. `opslib init --backend {other} FILE` writes an onboarding file to start from, which "
        f"notebook 01 can load; or set OPSLIB_BACKEND={other} and start it again"
    )
    return NotFound(
        f"This org does not serve the {wanted} API",
        cause=f"{client.base_url} answered 404; it serves {API_NAMES[other]} {'instead' if served else 'neither'}",
        fix=fix if served else "check OPSLIB_API_URL",
        status=404,
    )
