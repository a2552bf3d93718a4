"""The permissions that opslib needs in an org, and which of them we have, by the org's answers. Nothing here writes.

The doctor (`opslib.walk.doctor`) asks for those in `ASKED_FOR`. To add one, add it to its role below, and to
`QUESTIONS` where a request shows it without changing anything; else the client's roles must tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from opslib.errors import OpslibError, PermissionMissing
from opslib.genesys.answers import Page
from opslib.genesys.backend import JSON
from opslib.genesys.client import GenesysClient, answer
from opslib.genesys.policies import POLICIES
from opslib.genesys.recording_jobs import JOBS
from opslib.genesys.recordings import ORPHANS, RETENTION
from opslib.genesys.retention import SETTINGS
from opslib.genesys.shapes import as_list, as_object, as_objects
from opslib.onboarding.models import BackendName

State = Literal["present", "missing", "not known"]
Params = Mapping[str, str | int]

# What an onboarding does without; see `PURPOSES`.
WHY = (
    "recording:job:view",
    "recording:recording:view",
    "recording:uploadReport:view",
    "recording:orphan:view",
)
BACKFILL = (
    "recording:job:add",
    "recording:job:edit",
    "recording:recording:editRetention",
    "recording:screenRecording:editRetention",
    "recording:snippetRecording:editRetention",
)
SENSITIVE = "recording:recording:viewSensitiveData"
"""For a backfill with sensitive recordings only; none of the roles below has it."""
EXPECTED = ("analytics:conversationDetail:view",)
PURPOSES: Mapping[str, Sequence[str]] = {
    "opslib archive verify --expected analytics": EXPECTED,
    "opslib archive why": WHY,
    "opslib archive backfill": BACKFILL,
}
"""The permissions that only these commands need."""

# The smallest roles for the platform API, to copy into Admin > Roles / Permissions.
AUDITOR = (
    "recording:retentionPolicy:view",
    "integrations:integration:view",
    "audits:audit:view",
    "analytics:dataRetention:view",
    "recording:encryptionKey:view",
    *WHY,
    *EXPECTED,
)
# To delete is needed to undo what was created, and to offboard.
_CHANGES = tuple(
    f"{entity}:{action}"
    for entity in ("recording:retentionPolicy", "integrations:integration")
    for action in ("add", "edit", "delete")
)
OPERATOR = (
    *AUDITOR,
    *_CHANGES,
    *BACKFILL,
    "recording:job:delete",
)
# The storage-targets contract has scopes instead.
SCOPES = ("recording:read", "webhook:read", "recording:write", "webhook:write", "analytics:read")

# What each backend's walk needs; the others serve the evidence and the archive.
NEEDED: Mapping[BackendName, Sequence[str]] = {
    "platform": (*AUDITOR[:2], *_CHANGES),
    "storage-targets": SCOPES[:4],
}
ASKED_FOR: Mapping[BackendName, Sequence[str]] = {
    "platform": OPERATOR,
    "storage-targets": SCOPES,
}

SUBJECT = "/api/v2/authorization/subjects/me"

# A question that needs just this permission and changes nothing.
QUESTIONS: Mapping[str, tuple[str, Params]] = {
    "recording:retentionPolicy:view": (POLICIES, {"pageSize": 1}),
    "integrations:integration:view": ("/api/v2/integrations", {"pageSize": 1}),
    "recording:job:view": (JOBS, {"pageSize": 1}),
    "recording:recording:view": (RETENTION, {"retentionThresholdDays": 1, "pageSize": 1}),
    "recording:orphan:view": (ORPHANS, {"pageSize": 1}),
    "audits:audit:view": ("/api/v2/audits/query/servicemapping", {}),
    "analytics:dataRetention:view": (SETTINGS, {}),
    "recording:encryptionKey:view": ("/api/v2/recording/recordingkeys", {"pageSize": 1}),
    "recording:read": ("/api/v2/recording/storage/targets", {"pageSize": 1}),
    "webhook:read": ("/api/v2/webhooks", {"pageSize": 1}),
}


@dataclass(frozen=True)
class Permission:
    """One permission: whether we have it, and by what answer that is known."""

    name: str
    state: State
    why: str


async def permissions(client: GenesysClient, backend: BackendName, until: float) -> list[Permission]:
    """What we may do: by a harmless question for each permission, else by the client's roles, else not known."""
    subject = await answer(client, SUBJECT, {"includeFullRoles": "true"}, until)
    granted = [] if isinstance(subject, OpslibError) else list(_granted(subject))
    # One after the other: the org counts each question.
    return [
        await _by_question(client, name, until) if name in QUESTIONS else _by_roles(name, granted)
        for name in ASKED_FOR[backend]
    ]


async def lacking(client: GenesysClient, names: Sequence[str], until: float) -> list[str]:
    """Which of these permissions the client's roles do not have; none where the org does not tell its roles."""
    subject = await answer(client, SUBJECT, {"includeFullRoles": "true"}, until)
    granted = [] if isinstance(subject, OpslibError) else list(_granted(subject))
    return [name for name in names if _by_roles(name, granted).state == "missing"]


async def _by_question(client: GenesysClient, name: str, until: float) -> Permission:
    endpoint, params = QUESTIONS[name]
    result = await answer(client, endpoint, params, until, Page[Any] if "pageSize" in params else None)
    if isinstance(result, PermissionMissing):
        return Permission(name, "missing", f"the org refused GET {endpoint}: {result.cause}")
    if isinstance(result, OpslibError):
        return Permission(name, "not known", f"GET {endpoint}: {result.cause}")
    return Permission(name, "present", f"the org answered GET {endpoint}")


def _by_roles(name: str, granted: Sequence[JSON]) -> Permission:
    if not granted or name in SCOPES:  # a role has permissions, not scopes
        return Permission(name, "not known", "not before it is used: the org does not tell this client its roles")
    if any(_covers(policy, name) for policy in granted):
        return Permission(name, "present", "by the client's roles")
    return Permission(name, "missing", "none of the client's roles has it")


def purpose_of(name: str) -> str:
    """The command that needs it, where an onboarding does not; else empty."""
    return next((command for command, names in PURPOSES.items() if name in names), "")


def _granted(subject: JSON) -> Iterator[JSON]:
    for grant in as_objects(subject.get("grants")):
        yield from as_objects(as_object(grant.get("role")).get("policies"))


def _covers(policy: JSON, name: str) -> bool:
    domain, entity, action = name.split(":")
    return (
        policy.get("domain") in (domain, "*")
        and policy.get("entityName") in (entity, "*")
        and any(allowed in (action, "*") for allowed in as_list(policy.get("actions")))
    )
