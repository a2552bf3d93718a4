import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opslib.sandbox.server.bodies import refusal, validated
from opslib.sandbox.server.errors import ApiError, invalid_value, or_404
from opslib.sandbox.server.guard import Guard
from opslib.sandbox.server.parameters import choice, flag, path_id
from opslib.sandbox.server.platform.interval import DATE_ERROR
from opslib.sandbox.server.platform.org import Org
from opslib.sandbox.server.platform.paging import numbered_page
from opslib.sandbox.server.platform.policy import POLICIES, Policy, PolicyBody, PolicyUpdate
from opslib.sandbox.server.world import utc_now

SORTABLE = ("name", "order", "createdDate", "modifiedDate", "enabled")


def routes(org: Org, guard: Guard) -> list[Route]:
    async def list_page(request: Request) -> Response:
        """In their order unless sorted otherwise. A filter that is sent counts, also with a value that looks empty."""
        summary = flag(request, "summary") or False
        key = choice(request, "sortBy", SORTABLE) or "order"
        chosen = filter(_filters(org, request), org.policies.all(org.lag_s))
        return numbered_page(request, sorted((_public(org, policy, summary) for policy in chosen), key=itemgetter(key)))

    async def post(request: Request) -> Response:
        body, now = _checked(org, await request.body()), utc_now()
        order = max((policy.order for policy in org.policies.all()), default=-1) + 1
        return _written(org, request, None, Policy(org.world.identity.new_id(), body, order, now, now))

    async def get(request: Request) -> Response:
        return JSONResponse(_public(org, or_404(org.policies.get(path_id(request), org.lag_s))))

    async def put(request: Request) -> Response:
        """Replaces all of it. There is no version: the last writer wins."""
        before = or_404(org.policies.get(path_id(request)))
        body = _checked(org, await request.body())
        return _written(org, request, before, Policy(before.id, body, before.order, before.created, utc_now()))

    async def patch(request: Request) -> Response:
        before = or_404(org.policies.get(path_id(request)))
        update = validated(PolicyUpdate, await request.body())
        body = before.body.model_copy(update={"enabled": update.enabled})
        return _written(org, request, before, Policy(before.id, body, before.order, before.created, utc_now()))

    async def delete(request: Request) -> Response:
        return _deleted(org, request, [path_id(request)])

    async def delete_several(request: Request) -> Response:
        ids = list(filter(None, request.query_params.get("ids", "").split(",")))
        if not ids:
            raise invalid_value("ids: at least one is needed")
        return _deleted(org, request, ids)

    policy_path = POLICIES + "/{id}"
    return [
        guard.route("GET", POLICIES, "recording:retentionPolicy:view", list_page),
        guard.route("POST", POLICIES, "recording:retentionPolicy:add", post),
        guard.route("DELETE", POLICIES, "recording:retentionPolicy:delete", delete_several),
        guard.route("GET", policy_path, "recording:retentionPolicy:view", get),
        guard.route("PUT", policy_path, "recording:retentionPolicy:edit", put),
        guard.route("PATCH", policy_path, "recording:retentionPolicy:edit", patch),
        guard.route("DELETE", policy_path, "recording:retentionPolicy:delete", delete),
    ]


def _public(org: Org, policy: Policy, summary: bool = False) -> dict[str, Any]:
    return policy.public(_missing(org, policy), summary=summary)


def _missing(org: Org, policy: Policy) -> list[str]:
    return [exported for exported in policy.body.export_integrations() if org.integrations.get(exported) is None]


def _filters(org: Org, request: Request) -> Callable[[Policy], bool]:
    """The filters as users met them: `enabled=false` hides the enabled ones, `hasErrors=false` those in error,
    and any `deleteDaysThreshold`, also 0, those that delete nothing."""
    name, enabled, has_errors = request.query_params.get("name"), flag(request, "enabled"), flag(request, "hasErrors")
    threshold = _threshold(request)

    def wanted(policy: Policy) -> bool:
        days = [count for actions in policy.body.all_actions() for count in actions.delete_days()]
        return (
            (name is None or name.lower() in policy.name.lower())
            and enabled in (None, policy.body.enabled)
            and has_errors in (None, bool(_missing(org, policy)))
            and (threshold is None or any(count > threshold for count in days))
        )

    return wanted


def _threshold(request: Request) -> int | None:
    text = request.query_params.get("deleteDaysThreshold")
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,9}", text):
        raise invalid_value("deleteDaysThreshold: must be a whole number")
    return int(text)


def _checked(org: Org, body: bytes) -> PolicyBody:
    try:
        policy = PolicyBody.model_validate_json(body)
    except ValidationError as error:
        raise _refused(error) from None
    for integration_id in policy.export_integrations():
        integration = org.integrations.get(integration_id)
        if integration is None or integration.type.s3 is None:
            raise _invalid([{"errorCode": "not.found", "fieldName": "integrationExport", "entityId": integration_id}])
    return policy


def _refused(error: ValidationError) -> ApiError:
    """Actions and conditions share one error that does not say what is wrong; its details do."""
    problem, first = refusal(error), error.errors()[0]
    in_a_part = first["loc"][:1] in (("mediaPolicies",), ("conditions",), ("actions",))
    if in_a_part and first["type"] not in (DATE_ERROR, "literal_error"):
        return _invalid(problem.details)
    return problem


def _invalid(details: Any) -> ApiError:
    text = "One of the configured actions or conditions was invalid."
    return ApiError(400, text, code="recording.media.policy.invalid", details=details)


def _written(org: Org, request: Request, before: Policy | None, after: Policy) -> Response:
    org.policies.put(after.id, after)
    org.audit.note(request, org.audit.policies, before, after)
    return JSONResponse(_public(org, after))


def _deleted(org: Org, request: Request, ids: list[str]) -> Response:
    """All of them or, when one does not exist, none."""
    for policy in [or_404(org.policies.get(policy_id)) for policy_id in dict.fromkeys(ids)]:
        org.policies.put(policy.id, None)
        org.audit.note(request, org.audit.policies, policy, None)
    return Response(status_code=200)
