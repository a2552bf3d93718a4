"""A media retention policy, as its JSON body and as the org keeps it."""

from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, computed_field

from opslib.sandbox.server.bodies import Body, Days, Reference, Text
from opslib.sandbox.server.platform.interval import Interval

POLICIES = "/api/v2/recording/mediaretentionpolicies"
SERVER_FIELDS = {"id", "order", "createdDate", "modifiedDate", "policyErrors", "selfUri"}
"""Fields of a policy that only the server sets; a client may send them back, to no effect."""

Time = Annotated[str, Field(pattern=r"^\d{2}:\d{2}:\d{2}\.\d{3}$")]
Direction = Literal["INBOUND", "OUTBOUND"]
MediaConditions = TypeVar("MediaConditions")


class IntegrationReference(Reference):
    @computed_field
    def selfUri(self) -> str:
        return f"/api/v2/integrations/{self.id}"


class DurationCondition(Body):
    durationTarget: Literal["DURATION", "DURATION_RANGE"] | None = None
    durationOperator: str | None = None
    durationRange: str | None = None
    durationMode: Literal["Between", "Over", "Under"] | None = None


class TimeSlot(Body):
    startTime: Time
    stopTime: Time
    day: Annotated[int, Field(ge=1, le=7)]


class TimeAllowed(Body):
    timeSlots: list[TimeSlot] | None = None
    timeZoneId: str | None = None
    empty: bool | None = None


class _Conditions(Body):
    forUsers: list[Reference] | None = None
    dateRanges: list[Interval] | None = None
    forQueues: list[Reference] | None = None
    wrapupCodes: list[Reference] | None = None
    timeAllowed: TimeAllowed | None = None
    teams: list[Reference] | None = None


class PolicyConditions(_Conditions):
    directions: list[Direction] | None = None
    mediaTypes: list[Literal["CALL", "CHAT"]] | None = None
    duration: DurationCondition | None = None
    customerParticipation: Literal["YES", "NO"] | None = None


class CallMediaPolicyConditions(_Conditions):
    languages: list[Reference] | None = None
    directions: list[Direction] | None = None
    duration: DurationCondition | None = None


class ChatMediaPolicyConditions(_Conditions):
    languages: list[Reference] | None = None
    duration: DurationCondition | None = None


class TextMediaPolicyConditions(_Conditions):
    """Of emails and of messages."""

    languages: list[Reference] | None = None
    customerParticipation: Literal["YES", "NO"] | None = None


class ArchiveRetention(Body):
    days: Days
    storageMedium: Literal["CLOUDARCHIVE"]


class DeleteRetention(Body):
    days: Days


class RetentionDuration(Body):
    archiveRetention: ArchiveRetention | None = None
    deleteRetention: DeleteRetention | None = None


class InitiateScreenRecording(Body):
    recordACW: bool | None = None
    archiveRetention: ArchiveRetention | None = None
    deleteRetention: DeleteRetention | None = None


class IntegrationExport(Body):
    integration: IntegrationReference
    shouldExportScreenRecordings: bool = True


class PolicyActions(Body):
    """The defaults are those of the official model's documentation; the server fills them in."""

    retainRecording: bool = True
    deleteRecording: bool = False
    alwaysDelete: bool = False
    assignEvaluations: list[dict[str, Any]] | None = None
    assignMeteredEvaluations: list[dict[str, Any]] | None = None
    assignMeteredAssignmentByAgent: list[dict[str, Any]] | None = None
    assignCalibrations: list[dict[str, Any]] | None = None
    assignSurveys: list[dict[str, Any]] | None = None
    retentionDuration: RetentionDuration | None = None
    initiateScreenRecording: InitiateScreenRecording | None = None
    integrationExport: IntegrationExport | None = None

    def delete_days(self) -> list[int]:
        retentions = [part.deleteRetention for part in (self.retentionDuration, self.initiateScreenRecording) if part]
        return [retention.days for retention in retentions if retention]


class MediaPolicy(Body, Generic[MediaConditions]):
    actions: PolicyActions | None = None
    conditions: MediaConditions | None = None


class MediaPolicies(Body):
    callPolicy: MediaPolicy[CallMediaPolicyConditions] | None = None
    chatPolicy: MediaPolicy[ChatMediaPolicyConditions] | None = None
    emailPolicy: MediaPolicy[TextMediaPolicyConditions] | None = None
    messagePolicy: MediaPolicy[TextMediaPolicyConditions] | None = None


class PolicyBody(Body):
    """PolicyCreate and Policy, which have the same fields."""

    name: Text
    description: str | None = None
    enabled: bool = False
    mediaPolicies: MediaPolicies | None = None
    conditions: PolicyConditions | None = None
    actions: PolicyActions | None = None
    id: str | None = None
    order: int | None = None
    createdDate: str | None = None
    modifiedDate: str | None = None
    policyErrors: dict[str, Any] | None = None
    selfUri: str | None = None

    def all_actions(self) -> list[PolicyActions]:
        media = self.mediaPolicies
        parts = [media.callPolicy, media.chatPolicy, media.emailPolicy, media.messagePolicy] if media else []
        return [actions for actions in (self.actions, *(part.actions for part in parts if part)) if actions]

    def export_integrations(self) -> list[str]:
        """The ids of the integrations that the policy exports to."""
        exports = [actions.integrationExport for actions in self.all_actions()]
        return [export.integration.id for export in exports if export]


class PolicyUpdate(Body):
    enabled: bool


@dataclass(frozen=True)
class Policy:
    id: str
    body: PolicyBody
    order: int
    created: str
    modified: str

    @property
    def name(self) -> str:
        return self.body.name

    def audited(self) -> dict[str, Any]:
        return self.body.model_dump(exclude_none=True, exclude=SERVER_FIELDS)

    def public(self, missing: list[str], *, summary: bool = False) -> dict[str, Any]:
        """`missing`: the integrations that it exports to and that are gone. A summary leaves out the details."""
        body = self.audited()
        if summary:
            body = {key: value for key, value in body.items() if key not in {"mediaPolicies", "conditions", "actions"}}
        answer = {
            "id": self.id,
            **body,
            "order": self.order,
            "createdDate": self.created,
            "modifiedDate": self.modified,
            "selfUri": f"{POLICIES}/{self.id}",
        }
        return answer | ({"policyErrors": _policy_errors(missing)} if missing else {})


def _policy_errors(missing: list[str]) -> dict[str, Any]:
    return {
        "policyErrorMessages": [
            {
                "statusCode": 404,
                "userMessage": f"Integration {integration_id} was not found",
                "userParamsMessage": "Integration {integrationId} was not found",
                "errorCode": "not.found",
                "userParams": [{"key": "integrationId", "value": integration_id}],
            }
            for integration_id in missing
        ]
    }
