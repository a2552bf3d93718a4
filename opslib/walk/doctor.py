import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opslib.errors import NotFound, OpslibError, PermissionMissing
from opslib.genesys.backend import Backend
from opslib.genesys.client import GenesysClient
from opslib.genesys.permissions import AUDITOR, NEEDED, OPERATOR, SCOPES, Permission, answer, permissions
from opslib.onboarding.models import BackendName
from opslib.verdict import Readiness

_LIMITS = "/api/v2/organizations/limits/namespaces/platform.api"
# The limit that one token of client credentials meets.
_TOKEN_LIMIT = "client.credentials.token.rate.per.minute"

# After this time (seconds) what the org has not answered stays open.
_ANSWERS_WITHIN_S = 20.0

# AWS refuses signatures that are 15 minutes off; a minute off is a clock that is not kept.
_SKEW_FAILS_S, _SKEW_WARNS_S = 900, 60

API_NAMES: dict[BackendName, str] = {"storage-targets": "storage targets", "platform": "the platform API"}


@dataclass(frozen=True)
class Named:
    """An organisation or OAuth client, as Genesys refers to it."""

    id: str
    name: str


@dataclass(frozen=True)
class Diagnosis:
    """What the org answered; None for what it did not say.

    Attributes:
        wanted: the backend that the onboarding needs.
        served: whether the org has each API.
        limits: requests and the like, by Genesys's key.
    """

    wanted: BackendName
    served: Mapping[BackendName, bool | None]
    organization: Named | None
    client: Named | None
    permissions: Sequence[Permission]
    limits: Mapping[str, int] | None
    clock_skew_s: float | None

    def rows(self) -> list[Readiness]:
        """Every answer, with what to do about it."""
        return [self._served(), *self._who(), *map(self._permission, self.permissions), self._limit(), self._clock()]

    def as_json(self) -> dict[str, Any]:
        """{backends, organization, client, permissions, rate_limits, clock_skew_s, roles, rows}."""
        return {
            "wanted": self.wanted,
            "backends": dict(self.served),
            "organization": self.organization and vars(self.organization),
            "client": self.client and vars(self.client),
            "permissions": [dict(vars(permission)) for permission in self.permissions],
            "rate_limits": None if self.limits is None else dict(self.limits),
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
            Readiness(question, "PASS", f"{entity.name} ({entity.id})")
            if entity
            else Readiness(question, "UNKNOWN", "the org does not say")
            for question, entity in (("Organisation", self.organization), ("OAuth client", self.client))
        ]

    def _permission(self, permission: Permission) -> Readiness:
        question, why = f"May {permission.name}", permission.why
        if permission.state == "present":
            return Readiness(question, "PASS", why)
        if permission.state == "not known":
            return Readiness(question, "UNKNOWN", why)
        needed = permission.name in NEEDED[self.wanted]
        return Readiness(question, "FAIL" if needed else "WARN", why, "add it to a role of the OAuth client")

    def _limit(self) -> Readiness:
        question = "Requests per token and minute"
        limit = (self.limits or {}).get(_TOKEN_LIMIT)
        return (
            Readiness(question, "PASS", str(limit)) if limit else Readiness(question, "UNKNOWN", "the org does not say")
        )

    def _clock(self) -> Readiness:
        question = "This machine's clock agrees with the org's"
        if self.clock_skew_s is None:
            return Readiness(question, "UNKNOWN", "the org's answers have no date")
        off_s = abs(round(self.clock_skew_s))
        if off_s < _SKEW_WARNS_S:
            return Readiness(question, "PASS", "less than a minute apart")
        fails = off_s >= _SKEW_FAILS_S
        return Readiness(question, "FAIL" if fails else "WARN", f"{off_s} s apart", "set the clock; use NTP")


def roles(backend: BackendName) -> dict[str, list[str]]:
    """The permissions of each role, to copy: an auditor reads, an operator also changes."""
    if backend == "storage-targets":
        return {"auditor": [*SCOPES[:2], SCOPES[-1]], "operator": list(SCOPES)}
    return {"auditor": list(AUDITOR), "operator": list(OPERATOR)}


async def examine(client: GenesysClient, backends: Mapping[BackendName, Backend], wanted: BackendName) -> Diagnosis:
    """Ask the org everything. Never raises: a question without an answer stays open."""
    async with client.operation("doctor"):
        until = asyncio.get_running_loop().time() + _ANSWERS_WITHIN_S
        served = {name: await serves(backend, until) for name, backend in backends.items()}
        token = await answer(client, "/api/v2/tokens/me", None, until)
        limits = await answer(client, _LIMITS, None, until)
        granted = await permissions(client, wanted, until)
    about = {} if isinstance(token, OpslibError) else token
    by_key = (
        None
        if isinstance(limits, OpslibError)
        else {limit["key"]: limit["value"] for limit in limits.get("entities") or []}
    )
    organization, oauth_client = _named(about.get("organization")), _named(about.get("OAuthClient"))
    return Diagnosis(wanted, served, organization, oauth_client, granted, by_key, client.clock_skew_s)


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


def _named(entity: Any) -> Named | None:
    return Named(entity["id"], str(entity.get("name"))) if isinstance(entity, dict) and entity.get("id") else None
