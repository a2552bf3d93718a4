"""What the tests of the platform API send: integrations and media retention policies."""

from datetime import UTC, datetime, timedelta

from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Json, Sandbox, eventually

EVENTBRIDGE = "amazon-eventbridge-source"
AUDIT_TOPIC = "v2.audits.entitytype.{id}.entityid.{id}"


def s3_type(api: Api) -> Json:
    """The only type that speaks of both S3 and recording."""
    entities, number = [], 1
    while page := api("GET", f"{INTEGRATIONS}/types?pageSize=100&pageNumber={number}").json()["entities"]:
        entities += page
        number += 1
    (found,) = (one for one in entities if "s3" in one["id"] and "recording" in one["id"])
    return found


def s3_properties(api: Api, sandbox: Sandbox, **changes: str) -> Json:
    """The sandbox's own bucket and role, under the names that the schema has."""
    values = {
        "S3 bucket": sandbox["bucket"],
        "AWS region of the bucket": sandbox["region"],
        "ARN of the IAM role that Genesys Cloud assumes": sandbox["role_arn"],
        **changes,
    }
    schema = api("GET", s3_type(api)["configPropertiesSchemaUri"]).json()
    return {name: values[schema["properties"][name]["title"]] for name in schema["required"]}


def eventbridge_properties(**changes: object) -> Json:
    return {
        "eventSourceSuffix": "kit",
        "awsAccountId": "123456789012",
        "awsAccountRegion": "us-east-1",
        "eventFilter": [AUDIT_TOPIC],
        **changes,
    }


def create(api: Api, type_id: str, properties: Json | None = None, name: str = "Lake") -> Json:
    """A new integration; with properties it is configured too."""
    made = api("POST", INTEGRATIONS, {"name": name, "integrationType": {"id": type_id}}).json()
    if properties is not None:
        configuration = {**made["config"]["current"], "properties": properties}
        assert api("PUT", configuration["selfUri"], configuration).status_code == 200
    return made


def settle(api: Api, path: str, intended: str = "ENABLED") -> Json:
    """Ask for a state and wait until the integration has come to rest; its reportedState."""
    assert api("PATCH", path, {"intendedState": intended}).status_code == 200

    def rested() -> Json | None:
        state = api("GET", path).json()["reportedState"]
        return None if state["code"] in ("ACTIVATING", "DEACTIVATING") else state

    return eventually(rested)


def active(api: Api, type_id: str, properties: Json) -> Json:
    made = create(api, type_id, properties)
    assert settle(api, made["selfUri"])["code"] == "ACTIVE"
    return made


def retention_policy(integration_id: str | None = None, **changes: object) -> Json:
    """For the calls of one queue: exported if an integration is given, and deleted after a year."""
    actions: Json = {"retentionDuration": {"deleteRetention": {"days": 365}}}
    if integration_id:
        actions["integrationExport"] = {"integration": {"id": integration_id}, "shouldExportScreenRecordings": False}
    conditions = {"forQueues": [{"id": "queue-1"}], "directions": ["INBOUND"]}
    return {
        "name": "EU calls",
        "enabled": False,
        "mediaPolicies": {"callPolicy": {"conditions": conditions, "actions": actions}},
        **changes,
    }


def add_policy(api: Api, integration_id: str | None = None, **changes: object) -> Json:
    answer = api("POST", RETENTION_POLICIES, retention_policy(integration_id, **changes))
    assert answer.status_code == 200
    return answer.json()


def interval(start: int = -3600, end: int = 3600) -> str:
    """From so many seconds after now to so many, negative for before."""
    now = datetime.now(UTC)
    parts = [now + timedelta(seconds=one) for one in (start, end)]
    return "/".join(one.isoformat(timespec="milliseconds").replace("+00:00", "Z") for one in parts)
