import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import Body, Reference, Text, refusal, validated
from opslib.sandbox.server.errors import ApiError, invalid_value, or_404
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import choice, path_id
from opslib.sandbox.server.platform.integration import INTEGRATIONS, Integration, Intent, State, obstacle
from opslib.sandbox.server.platform.integration_types import TYPES
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.platform.paging import numbered_page
from opslib.sandbox.server.world import utc_now


class NewIntegration(Body):
    integrationType: Reference
    name: Text | None = None


class IntegrationUpdate(Body):
    """What a PATCH may change. Genesys's intents DELETED and RESTORED are not served here."""

    name: Text | None = None
    notes: str | None = None
    intendedState: Intent | None = None


class Configuration(Body):
    """All of it, as the official model has it; `id` and `selfUri` may be sent back, to no effect."""

    name: Text
    version: int
    properties: dict[str, Any]
    advanced: dict[str, Any]
    notes: str
    credentials: dict[str, Reference]
    id: str | None = None
    selfUri: str | None = None


def routes(org: Org, guard: Guard) -> list[Route]:
    async def list_types(request: Request) -> Response:
        return numbered_page(request, [kind.public() for kind in org.types.values()])

    async def get_type(request: Request) -> Response:
        return JSONResponse(or_404(org.types.get(path_id(request))).public())

    async def get_schema(request: Request) -> Response:
        kind = or_404(org.types.get(path_id(request)))
        return JSONResponse(or_404(kind.schema(request.path_params["settings"])))

    async def list_page(request: Request) -> Response:
        chosen = filter(_filters(request, org.lag_s), org.integrations.all(org.lag_s))
        return numbered_page(request, [integration.public(org.lag_s) for integration in chosen])

    async def post(request: Request) -> Response:
        new = validated(NewIntegration, await request.body())
        kind = or_404(org.types.get(new.integrationType.id))
        integration = Integration(
            org.world.identity.new_id(), kind, new.name or kind.name, changed=utc_now(), settles_at=time.monotonic()
        )
        return _written(org, request, None, integration)

    async def get(request: Request) -> Response:
        return JSONResponse(or_404(org.integrations.get(path_id(request), org.lag_s)).public(org.lag_s))

    async def patch(request: Request) -> Response:
        before = or_404(org.integrations.get(path_id(request)))
        changes = validated(IntegrationUpdate, await request.body()).model_dump(exclude_none=True)
        intended = changes.pop("intendedState", before.intended)
        after = replace(before, **changes)
        if intended == "ENABLED" and intended != before.intended:
            _refuse_a_second(org, before)
        if intended != before.intended or before.obstacle:
            after = _on_its_way(org, replace(after, intended=intended))
        return _written(org, request, before, after)

    async def delete(request: Request) -> Response:
        before = or_404(org.integrations.get(path_id(request)))
        org.integrations.put(before.id, None)
        org.audit.note(request, org.audit.integrations, before, None)
        return JSONResponse({**before.public(0), "intendedState": "DELETED"})

    async def get_configuration(request: Request) -> Response:
        return JSONResponse(or_404(org.integrations.get(path_id(request), org.lag_s)).configuration())

    async def put_configuration(request: Request) -> Response:
        """Writing the configuration of an enabled integration makes it start again."""
        before = or_404(org.integrations.get(path_id(request)))
        new = validated(Configuration, await request.body())
        if new.version != before.version:
            raise ApiError(409, "Version does not match current version.")
        _check(before.type.properties, new.properties, "properties")
        _check(before.type.advanced, new.advanced, "advanced")
        changes = new.model_dump(exclude={"id", "selfUri", "credentials"}) | {
            "version": before.version + 1,
            "credentials": {name: _bound(org, before, name, reference) for name, reference in new.credentials.items()},
        }
        after = replace(before, **changes)
        if after.intended == "ENABLED":
            after = _on_its_way(org, after)
        _written(org, request, before, after)
        return JSONResponse(after.configuration())

    integration_path = INTEGRATIONS + "/{id}"
    configuration_path = integration_path + "/config/current"
    return [
        guard.route("GET", TYPES, "integrations:integration:view", list_types),
        guard.route("GET", TYPES + "/{id}", "integrations:integration:view", get_type),
        guard.route("GET", TYPES + "/{id}/configschemas/{settings}", "integrations:integration:view", get_schema),
        guard.route("GET", INTEGRATIONS, "integrations:integration:view", list_page),
        guard.route("POST", INTEGRATIONS, "integrations:integration:add", post),
        guard.route("GET", integration_path, "integrations:integration:view", get),
        guard.route("PATCH", integration_path, "integrations:integration:edit", patch),
        guard.route("DELETE", integration_path, "integrations:integration:delete", delete),
        guard.route("GET", configuration_path, "integrations:integration:view", get_configuration),
        guard.route("PUT", configuration_path, "integrations:integration:edit", put_configuration),
    ]


def _filters(request: Request, lag_s: float) -> Callable[[Integration], bool]:
    """Whether an integration meets the query."""
    query, state = request.query_params, choice(request, "reportedState", get_args(State))

    def wanted(integration: Integration) -> bool:
        return (
            ("ids" not in query or integration.id in query["ids"].split(","))
            and ("integrationType" not in query or integration.type.id == query["integrationType"])
            and state in (None, integration.state(lag_s))
            and ("credentialId" not in query or query["credentialId"] in integration.credential_ids())
        )

    return wanted


def _on_its_way(org: Org, integration: Integration) -> Integration:
    """The integration, as it sets out for the state that was asked for."""
    hindrance = _obstacle(org, integration) if integration.intended == "ENABLED" else None
    arrival = time.monotonic() + org.world.settings.stage_s
    return replace(integration, changed=utc_now(), settles_at=arrival, obstacle=hindrance)


def _obstacle(org: Org, integration: Integration) -> str | None:
    credentials = {name: org.credentials.get(one["id"]) for name, one in integration.credentials.items()}
    bound = {name: credential.fields for name, credential in credentials.items() if credential}
    return obstacle(integration, bound, org.aws, org.world.identity.org_id)


def _refuse_a_second(org: Org, integration: Integration) -> None:
    """An org has one active integration that exports recordings to S3. Which answer a live org gives to a second one is
    not known; assumed is 409, until the first one is INACTIVE."""
    if integration.type.s3 is None:
        return
    for other in org.integrations.all():
        if other.type.s3 and other.state(0.0) != "INACTIVE" and other.id != integration.id:
            text = "Only one integration that exports recordings to S3 can be active, and {name} is."
            raise ApiError(409, text, params={"name": other.name})


def _bound(org: Org, integration: Integration, name: str, reference: Reference) -> dict[str, Any]:
    """The credential that a configuration refers to, if the type takes one of that name and type."""
    specification = integration.type.credentials.get(name)
    credential = org.credentials.get(reference.id)
    if specification is None:
        raise invalid_value("credentials.{name}: this type of integration has no such credential", name=name)
    if credential is None:
        raise invalid_value("credentials.{name}: there is no such credential", name=name)
    if credential.type.id not in specification["credentialTypes"]:
        raise invalid_value("credentials.{name}: a credential of another type is needed", name=name)
    return credential.info()


def _written(org: Org, request: Request, before: Integration | None, after: Integration) -> Response:
    org.integrations.put(after.id, after)
    org.audit.note(request, org.audit.integrations, before, after)
    return JSONResponse(after.public(0))


def _check(model: type[BaseModel], settings: dict[str, Any], part: str) -> None:
    try:
        model.model_validate(settings)
    except ValidationError as error:
        problem = refusal(error)
        problem.code = "invalid.schema"
        problem.details = [{**detail, "fieldName": f"{part}.{detail['fieldName']}"} for detail in problem.details]
        raise problem from None
