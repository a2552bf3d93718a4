"""What opslib relies on in an org and cannot prove without one, and how the org's answers to GET decide it.

docs/platform.md lists the same. `opslib.walk.assumptions` asks a live org; an assumption whose question is not
answered, or answered in another shape than is known, stays open.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from opslib.credentials import RoleReference
from opslib.errors import InvalidInput, NotFound, OpslibError, PermissionMissing, UnexpectedAnswer
from opslib.genesys.answers import JSON, BareList, Entity, Page, Shape
from opslib.genesys.audit_log import SERVICES, audited_entities
from opslib.genesys.client import answer
from opslib.genesys.conversation_jobs import AVAILABILITY
from opslib.genesys.creations import Creations
from opslib.genesys.integration_credentials import CREDENTIALS, CredentialType, IntegrationCredentials
from opslib.genesys.integration_credentials import TYPES as CREDENTIAL_TYPES
from opslib.genesys.integrations import (
    FEED_PROPERTIES,
    FEED_TYPE,
    INTEGRATIONS,
    TYPES,
    Integrations,
    exports_recordings,
    names_of,
)
from opslib.genesys.permissions import NEEDED, QUESTIONS, SUBJECT, permissions
from opslib.genesys.policies import POLICIES
from opslib.genesys.read_only import ReadOnlyClient
from opslib.genesys.retention import SETTINGS, maximum_of
from opslib.genesys.shapes import as_list, as_object, as_objects
from opslib.genesys.token import LIMITS, TOKEN, TOKEN_LIMIT, limits_of
from opslib.onboarding.models import Onboarding
from opslib.onboarding.values import is_guid

Holds = Literal["yes", "no", "not_known"]
Params = Mapping[str, str | int]

_STATES = ("ACTIVE", "ACTIVATING", "INACTIVE", "DEACTIVATING", "ERROR")
_RATE_HEADERS = ("inin-ratelimit-count", "inin-ratelimit-allowed", "inin-ratelimit-reset")


@dataclass(frozen=True)
class Judgement:
    """Whether an assumption holds in an org, and by what that is known.

    `evidence` names nothing of the user's; `words` are the org's own, which may.
    """

    holds: Holds
    evidence: str
    words: str = ""


class OtherShape(ValueError):
    """The org answered, and not in the shape that is known."""


class Org:
    """An org to read from, until a time (of the event loop). Each question is asked once."""

    def __init__(self, client: ReadOnlyClient, onboarding: Onboarding, until: float) -> None:
        self.client, self.onboarding, self.until = client, onboarding, until
        self.integrations = Integrations(client)
        self._answers: dict[tuple[str, str], JSON | OpslibError] = {}

    async def get(self, endpoint: str, params: Params | None = None, shape: type[Shape] | None = None) -> JSON:
        """Raises the error that came instead of an answer."""
        key = endpoint, str(params)
        if key not in self._answers:
            self._answers[key] = await answer(self.client, endpoint, params, self.until, shape)
        if isinstance(found := self._answers[key], OpslibError):
            raise found
        return found

    async def entities(self, endpoint: str) -> list[JSON]:
        """A numbered list from all pages."""
        _need(isinstance((await self.get(endpoint, {"pageSize": 1})).get("entities"), list), "it has no entities")
        async with asyncio.timeout_at(self.until):
            return as_objects(await self.client.entities(endpoint, Page[Entity]))

    async def s3_type(self) -> str:
        """Raises InvalidInput when it is not clear."""
        await self.entities(TYPES)
        return await self.integrations.s3_type()

    async def ours(self) -> list[JSON]:
        """The integrations of the types that opslib makes."""
        return [one for one in await self.entities(INTEGRATIONS) if exports_recordings(one) or _is_feed(one)]


Judge = Callable[[Org], Awaitable[Judgement]]


@dataclass(frozen=True)
class Assumption:
    """`rests_on`: what of opslib goes wrong, or says less, where it does not hold."""

    id: str
    statement: str
    rests_on: str
    decide: Judge

    async def judge(self, org: Org) -> Judgement:
        """Never raises: what is not answered, or in another shape, is not known. That there is no such API is a no."""
        try:
            return await self.decide(org)
        except NotFound as error:
            return Judgement("no", _refused(error), error.cause)
        except OpslibError as error:
            return Judgement("not_known", _refused(error), error.cause)
        except TimeoutError:
            return Judgement("not_known", "no answer in time")
        except OtherShape as error:
            return Judgement("not_known", f"the answer has another shape: {error}")
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return Judgement("not_known", "the answer has another shape")


ASSUMPTIONS: dict[str, Assumption] = {}


def _assume(id: str, statement: str, *, rests_on: str) -> Callable[[Judge], Judge]:
    def add(judge: Judge) -> Judge:
        ASSUMPTIONS[id] = Assumption(id, statement, rests_on, judge)
        return judge

    return add


@_assume(
    "org-id",
    "The token says whose it is: the organisation's id, a GUID",
    rests_on="`org_id`; the role's external id; the prefix that is checked",
)
async def _org_id(org: Org) -> Judgement:
    return _either(is_guid(await _own_id(org)), "tokens/me names an organisation by a GUID", "its id is not a GUID")


@_assume(
    "external-id",
    "The external id in the onboarding is the organisation's id",
    rests_on="whether Genesys may assume the role",
)
async def _external_id(org: Org) -> Judgement:
    credentials = org.onboarding.target.credentials
    if not isinstance(credentials, RoleReference) or not is_guid(credentials.external_id):
        return Judgement("not_known", "no role with an external id that is a GUID: name a file as OPSLIB_ONBOARDING")
    same = credentials.external_id.lower() == (await _own_id(org)).lower()
    return _either(same, "both are the same GUID", "they differ")


@_assume(
    "client-has-roles",
    "A client with client credentials has roles, and no scopes",
    rests_on="the permissions that `opslib doctor` asks for",
)
async def _client_has_roles(org: Org) -> Judgement:
    scopes = (await org.get(TOKEN)).get("authorizedScope")
    _need(isinstance(scopes, list), "authorizedScope is not a list")
    return _either(not scopes, "authorizedScope is empty", f"it has {len(as_list(scopes))} scopes")


@_assume(
    "own-roles",
    "The org tells the client its roles and their permissions",
    rests_on="whether a permission to write is known before it is used",
)
async def _own_roles(org: Org) -> Judgement:
    grants = (await org.get(SUBJECT, {"includeFullRoles": "true"})).get("grants")
    _need(isinstance(grants, list), "it has no list of grants")
    policies = [policy for grant in as_objects(grants) for policy in _policies_of(grant)]
    return _either(bool(policies), f"{len(policies)} permission policies", "no grant has a role with permissions")


@_assume(
    "permissions",
    "The client has every permission that an onboarding needs",
    rests_on="plan, apply, rollback, offboard",
)
async def _permissions(org: Org) -> Judgement:
    needed = [one for one in await permissions(org.client, "platform", org.until) if one.name in NEEDED["platform"]]
    if missing := [one.name for one in needed if one.state == "missing"]:
        return Judgement("no", f"missing: {', '.join(missing)}")
    if unknown := [one.name for one in needed if one.state == "not known"]:
        return Judgement("not_known", f"not before they are used: {', '.join(unknown)}")
    return Judgement("yes", f"all {len(needed)}")


@_assume(
    "permission-questions",
    "The org serves each question by which a permission is known",
    rests_on="the rows of `opslib doctor` on permissions",
)
async def _permission_questions(org: Org) -> Judgement:
    asked = [QUESTIONS[name] for name in QUESTIONS if name.count(":") == 2]  # the others are scopes
    answers = {endpoint: await answer(org.client, endpoint, params, org.until) for endpoint, params in asked}
    if absent := [endpoint for endpoint, said in answers.items() if isinstance(said, NotFound)]:
        return Judgement("no", f"not served: {', '.join(absent)}")
    failed = [
        endpoint
        for endpoint, said in answers.items()
        if isinstance(said, OpslibError) and not isinstance(said, PermissionMissing)
    ]
    if failed:
        return Judgement("not_known", f"no answer from {', '.join(failed)}")
    return Judgement("yes", f"{len(answers)} questions were answered or refused")


@_assume(
    "rate-limit",
    f"The org's limits have {TOKEN_LIMIT}",
    rests_on="the limit that `opslib doctor` shows",
)
async def _rate_limit(org: Org) -> Judgement:
    limits = await org.get(LIMITS)
    _need(isinstance(limits.get("entities"), list), "it has no entities")
    limit = dict(limits_of(limits)).get(TOKEN_LIMIT)
    return _either(bool(limit), f"{limit} requests per minute", "no limit has this key and a number")


@_assume(
    "max-retention",
    "The org says after how many days it deletes every recording",
    rests_on="the days that `opslib plan` and `opslib doctor` name",
)
async def _max_retention(org: Org) -> Judgement:
    maximum = maximum_of(await org.get(SETTINGS))
    return Judgement("not_known", maximum.why) if maximum.days is None else Judgement("yes", f"{maximum.days} days")


@_assume(
    "numbered-lists",
    "A numbered list has pageCount or nextUri, and as many entities as its total",
    rests_on="every list that is read: nothing is found twice or left out",
)
async def _numbered_lists(org: Org) -> Judgement:
    first = await org.get(TYPES, {"pageSize": 1})
    _need(isinstance(first.get("total"), int), "it has no total")
    _need("pageCount" in first or "nextUri" in first, "it has neither pageCount nor nextUri")
    try:
        types = await org.entities(TYPES)
    except UnexpectedAnswer as error:
        return Judgement("no", f"{error.title}: {error.cause}")
    return Judgement("yes", f"{len(types)} integration types, as its total says")


@_assume(
    "s3-type",
    "Exactly one integration type speaks of S3 and of recordings",
    rests_on="the target; else name `target.integration_type`",
)
async def _s3_type(org: Org) -> Judgement:
    try:
        return Judgement("yes", f"its id is {await org.s3_type()}")
    except InvalidInput as error:
        return Judgement("no", error.cause)


@_assume(
    "s3-properties",
    "The S3 type says by its words which property is the bucket and where the role goes",
    rests_on="the target; else name `target.properties`",
)
async def _s3_properties(org: Org) -> Judgement:
    type_id = org.onboarding.target.integration_type or await org.s3_type()
    schema = await org.integrations.schema(type_id)
    _need(isinstance(schema.get("properties"), dict), "the type's schema has no properties")
    kind = await org.get(f"{TYPES}/{quote(type_id, safe='')}")
    credentials = as_object(kind.get("credentials"))
    has = f"properties {', '.join(schema['properties']) or 'none'}; credentials {', '.join(credentials) or 'none'}"
    try:
        names = names_of(schema, type_id, role_is_elsewhere=bool(credentials))
        slot = (
            None if "role_arn" in names else await IntegrationCredentials(org.client, Creations(org.client)).slot(kind)
        )
    except InvalidInput as error:
        return Judgement("no", f"{error.title}. It has {has}")
    in_credential = {ours: f"{slot.name}.{theirs}" for ours, theirs in slot.fields.items()} if slot else {}
    found = ", ".join(f"{ours} is {theirs}" for ours, theirs in {**names, **in_credential}.items())
    return Judgement("yes", f"{found}. It has {has}")


@_assume(
    "integration-credentials",
    "The org lists the credentials of integrations and their types, without what they hold",
    rests_on="the target, where its role goes into a credential: that it is made once, and never read back",
)
async def _integration_credentials(org: Org) -> Judgement:
    credentials = await org.entities(CREDENTIALS)
    types = (await org.get(CREDENTIAL_TYPES, shape=BareList[CredentialType]))["entities"]
    _need(bool(types), "there is no type")
    readable = [one for one in credentials if one.get("credentialFields")]
    hidden = f"{len(types)} types; no answer has a credential's fields"
    return _either(not readable, hidden, "an answer has a credential's fields")


@_assume(
    "one-active-s3",
    "At most one S3 integration is active",
    rests_on="the target: which integration exports recordings",
)
async def _one_active_s3(org: Org) -> Judgement:
    active = [one for one in await org.ours() if exports_recordings(one) and one.get("intendedState") == "ENABLED"]
    return _either(len(active) <= 1, f"{len(active)} of them", f"{len(active)} of them are switched on")


@_assume(
    "integration-configuration",
    "An integration's configuration has a version, properties and credentials",
    rests_on="target and webhook: each is written over the version that was read",
)
async def _integration_configuration(org: Org) -> Judgement:
    ours = await org.ours()
    if not ours:
        return _none_yet("integration")
    config = await org.get(f"{INTEGRATIONS}/{quote(ours[0]['id'], safe='')}/config/current")
    wanted = {"version": int, "properties": dict, "credentials": dict}
    wrong = [name for name, kind in wanted.items() if not isinstance(config.get(name), kind)]
    _need(len(wrong) < len(wanted), "it has none of them")
    return _either(not wrong, "all three", f"missing, or of another type: {', '.join(wrong)}")


@_assume(
    "integration-state",
    f"An integration's state is one of {', '.join(_STATES)}",
    rests_on="apply: it waits until an integration is ACTIVE",
)
async def _integration_state(org: Org) -> Judgement:
    ours = await org.ours()
    states = {as_object(one.get("reportedState")).get("code") for one in ours}
    if not ours:
        return _none_yet("integration")
    _need(states != {None}, "it has no reportedState.code")
    return _either(states <= {*_STATES}, f"seen: {_listed(states)}", f"also seen: {_listed(states - {*_STATES})}")


@_assume(
    "feed-properties",
    f"The type {FEED_TYPE} has the properties {', '.join(FEED_PROPERTIES)}",
    rests_on="the webhook: the event feed",
)
async def _feed_properties(org: Org) -> Judgement:
    schema = await org.integrations.schema(FEED_TYPE)
    properties = schema.get("properties")
    _need(isinstance(properties, dict), "the type's schema has no properties")
    missing = [name for name in FEED_PROPERTIES if name not in as_object(properties)]
    return _either(not missing, "all of them", f"it lacks {', '.join(missing)}, and has {', '.join(properties or {})}")


@_assume(
    "feed-state",
    "An event feed that is switched on is ACTIVE",
    rests_on="that changes reach the data lake",
)
async def _feed_state(org: Org) -> Judgement:
    feeds = [one for one in await org.ours() if _is_feed(one) and one.get("intendedState") == "ENABLED"]
    if not feeds:
        return _none_yet("event feed that is switched on")
    states = {as_object(one.get("reportedState")).get("code") for one in feeds}
    return _either(states == {"ACTIVE"}, f"{len(feeds)} of {len(feeds)}", f"seen: {_listed(states)}")


@_assume(
    "policy-shape",
    "A retention policy says enabled, and has its actions by medium or beside them",
    rests_on="the policy: what somebody else added to it stays; which policies overlap",
)
async def _policy_shape(org: Org) -> Judgement:
    policies = await org.entities(POLICIES)
    if not policies:
        return _none_yet("retention policy")
    policy = await org.get(f"{POLICIES}/{quote(policies[0]['id'], safe='')}")
    _need(policy.get("id") == policies[0]["id"], "it is not the policy that was asked for")
    media = as_object(policy.get("mediaPolicies"))
    acts = any("actions" in as_object(part) for part in (*media.values(), policy))
    shape = f"its fields are {', '.join(sorted(policy))}"
    return _either(isinstance(policy.get("enabled"), bool) and acts, shape, shape)


@_assume(
    "audit-services",
    "The org's audit has a service for integrations or policies",
    rests_on="`opslib changes`: who changed what",
)
async def _audit_services(org: Org) -> Judgement:
    mapping = await org.get(SERVICES)
    _need(isinstance(mapping.get("services"), list), "it has no services")
    found = [f"{service}: {entity}" for service, entity in audited_entities(mapping)]
    return _either(bool(found), ", ".join(found), f"none of its {len(mapping['services'])} services")


@_assume(
    "analytics-availability",
    "The org says until when its conversation details are complete",
    rests_on="what is expected in the bucket: nothing is said of later conversations",
)
async def _analytics_availability(org: Org) -> Judgement:
    date = (await org.get(AVAILABILITY)).get("dataAvailabilityDate")
    _need(isinstance(date, str), "it has no dataAvailabilityDate")
    return Judgement("yes", f"until {datetime.fromisoformat(str(date)).isoformat()}")


@_assume("rate-limit-headers", "Each answer has the inin-ratelimit headers", rests_on="the pace of many onboardings")
async def _rate_limit_headers(org: Org) -> Judgement:
    return _headers(org, _RATE_HEADERS)


@_assume(
    "correlation-id",
    "Each answer has an ININ-Correlation-Id",
    rests_on="the id in errors and in the audit, for which Genesys's support asks",
)
async def _correlation_id(org: Org) -> Judgement:
    return _headers(org, ("inin-correlation-id",))


@_assume(
    "date",
    "Each answer has a Date",
    rests_on="waits that are asked for as a date; whether this machine's clock is right",
)
async def _date(org: Org) -> Judgement:
    return _headers(org, ("date",))


def _headers(org: Org, names: Sequence[str]) -> Judgement:
    """By the answers so far: these assumptions come last."""
    answers = org.client.heard
    if not answers:
        return Judgement("not_known", "no answer came")
    having = sum(headers >= {*names} for headers in answers)
    return _either(having == len(answers), f"all {len(answers)} answers", f"{having} of {len(answers)} answers")


async def _own_id(org: Org) -> str:
    id = as_object((await org.get(TOKEN)).get("organization")).get("id")
    _need(isinstance(id, str), "it has no organization.id")
    return str(id)


def _refused(error: OpslibError) -> str:
    return f"{error.title} (HTTP {error.status})" if error.status else error.title


def _policies_of(grant: JSON) -> list[JSON]:
    return as_objects(as_object(grant.get("role")).get("policies"))


def _is_feed(integration: JSON) -> bool:
    return as_object(integration.get("integrationType")).get("id") == FEED_TYPE


def _either(holds: bool, yes: str, no: str) -> Judgement:
    return Judgement("yes", yes) if holds else Judgement("no", no)


def _none_yet(what: str) -> Judgement:
    return Judgement("not_known", f"the org has no {what} yet")


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise OtherShape(otherwise)


def _listed(values: set[object]) -> str:
    return ", ".join(sorted(str(value) for value in values))
