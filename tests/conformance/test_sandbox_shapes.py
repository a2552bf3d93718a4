"""The sandbox takes and gives what the official SDK knows: same paths, same fields, same enum values."""

import pytest
from pydantic import TypeAdapter

from opslib.sandbox.server.platform import (
    audit_routes,
    conversation_query,
    integration_routes,
    people_routes,
    policy,
    recording_job_routes,
    recording_jobs,
    upload_report_routes,
)

from ..sandbox.platform import active, eventbridge_properties, interval, retention_policy, s3_properties, s3_type
from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, eventually
from . import oracle

QUERY = "/api/v2/audits/query"

SAME_NAME = [
    policy.PolicyConditions,
    policy.CallMediaPolicyConditions,
    policy.ChatMediaPolicyConditions,
    policy.DurationCondition,
    policy.TimeAllowed,
    policy.TimeSlot,
    policy.MediaPolicies,
    policy.PolicyActions,
    policy.RetentionDuration,
    policy.ArchiveRetention,
    policy.DeleteRetention,
    policy.InitiateScreenRecording,
    policy.IntegrationExport,
    policy.PolicyUpdate,
]
BODIES = [
    *((one, one.__name__) for one in SAME_NAME),
    (policy.TextMediaPolicyConditions, "EmailMediaPolicyConditions"),
    (policy.TextMediaPolicyConditions, "MessageMediaPolicyConditions"),
    (policy.MediaPolicy[policy.CallMediaPolicyConditions], "CallMediaPolicy"),
    (policy.MediaPolicy[policy.ChatMediaPolicyConditions], "ChatMediaPolicy"),
    (policy.MediaPolicy[policy.TextMediaPolicyConditions], "EmailMediaPolicy"),
    (policy.MediaPolicy[policy.TextMediaPolicyConditions], "MessageMediaPolicy"),
    (policy.PolicyBody, "Policy"),
    (policy.PolicyBody, "PolicyCreate"),
    (integration_routes.Configuration, "IntegrationConfiguration"),
    (audit_routes.QueryBody, "AuditQueryRequest"),
    (audit_routes.Filter, "AuditQueryFilter"),
    (audit_routes.Sort, "AuditQuerySort"),
    (recording_jobs.JobQuery, "RecordingJobsQuery"),
    (recording_job_routes.Execution, "ExecuteRecordingJobsQuery"),
    (upload_report_routes.ReportRequest, "RecordingUploadReportRequest"),
]
PARTS = [
    (integration_routes.NewIntegration, "CreateIntegrationRequest"),
    (integration_routes.IntegrationUpdate, "Integration"),
    (conversation_query.ConversationQuery, "AsyncConversationQuery"),
    (conversation_query.Filter, "SegmentDetailQueryFilter"),
    (conversation_query.Predicate, "SegmentDetailQueryPredicate"),
    (conversation_query.Filter, "ConversationDetailQueryFilter"),
    (conversation_query.Predicate, "ConversationDetailQueryPredicate"),
]


class Checked:
    """The API, each of whose requests and answers is held against the SDK."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def __call__(self, method, path, body=None):
        bare, _, query = path.partition("?")
        names = dict(part.split("=") for part in query.split("&") if part)
        answer = self.api(method, path, body)
        known = oracle.operation(method, bare).answer if answer.is_success else "ErrorBody"
        assert oracle.request_problems(method, bare, names, body) == []
        assert oracle.problems(known, answer.json() if answer.content else None, "answer") == []
        return answer


@pytest.mark.parametrize(("ours", "name"), BODIES, ids=lambda one: one if isinstance(one, str) else "")
def test_a_body_has_exactly_the_sdks_fields(ours, name):
    """No field more, none less than the SDK's model."""
    assert set(ours.model_fields) == set(oracle.model(name))


@pytest.mark.parametrize(("ours", "name"), PARTS)
def test_a_partial_body_has_only_fields_of_the_sdk(ours, name):
    """Where the sandbox takes less than the model has, it takes nothing else."""
    assert set(ours.model_fields) < set(oracle.model(name))


@pytest.mark.parametrize(("ours", "name"), BODIES, ids=lambda one: one if isinstance(one, str) else "")
def test_a_body_has_the_sdks_enums(ours, name):
    """Where the SDK allows certain values, the sandbox allows the same, in the same case."""
    for field, known in oracle.model(name).items():
        if known.allowed is not None:
            schema = TypeAdapter(ours.model_fields[field].annotation).json_schema()
            assert sorted(_values(schema)) == sorted(known.allowed)


def _values(schema):
    """The values that a JSON schema allows, wherever in it they stand."""
    if isinstance(schema, dict):
        here = [schema["const"]] if "const" in schema else schema.get("enum", [])
        return [*here, *(value for inner in schema.values() for value in _values(inner))]
    return [value for inner in schema for value in _values(inner)] if isinstance(schema, list) else []


def test_integrations_speak_the_sdks_language(sandbox, api):
    """Every request and answer from type to deletion, errors included, has only what the SDK knows."""
    checked = Checked(api)
    kind = s3_type(checked)
    properties = s3_properties(checked, sandbox)
    for part in ("properties", "advanced"):
        checked("GET", f"{kind['selfUri']}/configschemas/{part}")
    made = active(checked, kind["id"], properties)
    active(checked, "amazon-eventbridge-source", eventbridge_properties())
    checked("GET", kind["selfUri"])
    checked("GET", f"{INTEGRATIONS}?pageSize=1&pageNumber=2&reportedState=ACTIVE")
    current = made["config"]["current"]
    assert checked("PUT", current["selfUri"], current).status_code == 409
    assert checked("PUT", current["selfUri"], {**current, "version": 2}).status_code == 400
    assert checked("DELETE", made["selfUri"]).status_code == 200
    assert checked("GET", made["selfUri"]).status_code == 404


def test_policies_speak_the_sdks_language(sandbox, api):
    """Every request and answer about policies, with an error on one of them, has only what the SDK knows."""
    checked = Checked(api)
    integration = active(checked, s3_type(checked)["id"], s3_properties(checked, sandbox))
    made = checked("POST", RETENTION_POLICIES, retention_policy(integration["id"])).json()
    checked("PUT", made["selfUri"], made)
    checked("PATCH", made["selfUri"], {"enabled": True})
    checked("DELETE", integration["selfUri"])
    assert "policyErrors" in checked("GET", made["selfUri"]).json()
    checked(
        "GET", f"{RETENTION_POLICIES}?pageSize=1&name=E&enabled=true&hasErrors=true&deleteDaysThreshold=1&summary=true"
    )
    assert checked("POST", RETENTION_POLICIES, {"enabled": True}).status_code == 400
    assert checked("DELETE", f"{RETENTION_POLICIES}?ids={made['id']}").status_code == 200


def test_audits_and_the_org_speak_the_sdks_language(sandbox, api):
    """The audit query to its results, the token, the limits and the retention have only what the SDK knows."""
    checked = Checked(api)
    for path in ("/api/v2/tokens/me", "/api/v2/analytics/dataretention/settings", f"{QUERY}/servicemapping"):
        assert checked("GET", path).status_code == 200
    for path in ("platform.api", "platform.api/defaults"):
        assert checked("GET", f"/api/v2/organizations/limits/namespaces/{path}").status_code == 200
    active(checked, "amazon-eventbridge-source", eventbridge_properties())
    filters, sort = [{"property": "Action", "value": "Update"}], [{"name": "Timestamp", "sortOrder": "ascending"}]
    body = {"serviceName": "Integrations", "interval": interval(), "filters": filters, "sort": sort}
    query = checked("POST", QUERY, body).json()
    eventually(lambda: checked("GET", f"{QUERY}/{query['id']}").json()["state"] == "Succeeded")
    assert len(checked("GET", f"{QUERY}/{query['id']}/results?pageSize=2").json()["entities"]) == 2


def test_names_speak_the_sdks_language(api):
    """Queues, users, teams and wrap-up codes, page after page, have only what the SDK knows."""
    checked = Checked(api)
    for path in (people_routes.QUEUES, people_routes.USERS, people_routes.WRAPUP_CODES):
        assert checked("GET", f"{path}?pageSize=2&pageNumber=2").json()["entities"]
    following = checked("GET", f"{people_routes.TEAMS}?pageSize=2").json()["nextUri"]
    assert checked("GET", following).json()["entities"]


def test_events_speak_the_sdks_language(sandbox, api):
    """What arrives through EventBridge is the SDK's audit topic, its services and entity types included."""
    active(api, "amazon-eventbridge-source", eventbridge_properties())
    made = api("POST", RETENTION_POLICIES, retention_policy()).json()
    lake = sandbox["datalake_url"] + "/events"
    (event,) = eventually(lambda: sandbox.http.get(lake, params={"entityId": made["id"]}).json()["entities"])
    assert oracle.problems("AuditTopicAuditLogMessage", event["body"]["detail"]["eventBody"]) == []
