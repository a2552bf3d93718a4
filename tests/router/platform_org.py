"""The same org to change, on the platform API: an integration, a policy and an event feed, and its state as bytes."""

import json
import re

from opslib import Onboarding

from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Json, Sandbox

NAME = "platform"
CREDENTIALS = f"{INTEGRATIONS}/credentials"
# A write in the middle of an apply, as method and part of the path.
REFUSED = ("PUT", "mediaretentionpolicies")
QUEUE, OTHER_QUEUE = "11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"


def onboarding(sandbox: Sandbox, **parts: Json) -> Onboarding:
    """An onboarding of the sandbox's bucket; `target`, `policy` and `webhook` change fields."""
    role = {"role_arn": sandbox["role_arn"], "external_id": sandbox["external_id"]}
    target = {"name": "T", "bucket": sandbox["bucket"], "region": "us-east-1", "retention_days": 365}
    policy = {"name": "P", "retention_days": 365, "conditions": {"queues": [OTHER_QUEUE, QUEUE]}}
    webhook = {"name": "W", "url": f"{sandbox['datalake_url']}/in", "account": "123456789012", "region": "us-east-1"}
    return Onboarding.model_validate(
        {
            "backend": "platform",
            "target": target | {"credentials": role} | parts.get("target", {}),
            "policy": policy | parts.get("policy", {}),
            "webhook": webhook | parts.get("webhook", {}),
        }
    )


def changed(sandbox: Sandbox) -> Onboarding:
    """All three objects otherwise, under the same names."""
    return onboarding(
        sandbox,
        target={"enabled": False},
        policy={"recording_types": ["voice", "chat", "screen"], "retention_days": 100},
        webhook={"suffix": "other", "topics": ["v2.audits.entitytype.Policy.entityid.{id}"]},
    )


def seed(sandbox: Sandbox, api: Api) -> None:
    """The three objects as another program made them, with what opslib does not know of."""
    target = integration(api, "T", *s3_integration(sandbox, api))
    properties = {
        "eventSourceSuffix": "old",
        "awsAccountId": "999999999999",
        "awsAccountRegion": "eu-west-1",
        "eventFilter": ["v2.audits.entitytype.{id}.entityid.{id}"],
    }
    integration(api, "W", "amazon-eventbridge-source", properties)
    export(api, "P", target)


def export(api: Api, name: str, target: str) -> None:
    """A policy that exports to an integration, with what opslib does not know of."""
    part = {
        "conditions": {"forQueues": [{"id": QUEUE}], "timeAllowed": {"timeZoneId": "Europe/Paris", "timeSlots": []}},
        "actions": {
            "retentionDuration": {
                "archiveRetention": {"days": 30, "storageMedium": "CLOUDARCHIVE"},
                "deleteRetention": {"days": 365},
            },
            "assignEvaluations": [{"evaluationForm": {"id": "form", "name": "Form"}}],
            "integrationExport": {"integration": {"id": target}},
        },
    }
    policy = {"name": name, "description": "by hand", "enabled": True, "mediaPolicies": {"callPolicy": part}}
    assert api("POST", RETENTION_POLICIES, policy).is_success


def clear(api: Api) -> None:
    """Nothing is left."""
    for path in (RETENTION_POLICIES, INTEGRATIONS, CREDENTIALS):
        for entity in api("GET", f"{path}?pageSize=100").json()["entities"]:
            api("DELETE", entity["selfUri"])


def state(api: Api) -> bytes:
    """Every object byte for byte, but for what each write moves (version, dates), with names in the place of ids."""
    found = [
        one
        for path in (INTEGRATIONS, RETENTION_POLICIES, CREDENTIALS)
        for one in api("GET", f"{path}?pageSize=100").json()["entities"]
    ]
    whole = json.dumps(sorted(found, key=lambda one: str(one["name"])), sort_keys=True)
    for one in found:
        whole = whole.replace(one["id"], one["name"])
    return re.sub(r'"(version|order|createdDate|modifiedDate|lastUpdated)": ("[^"]*"|\d+)', r'"\1": 0', whole).encode()


def s3_type(api: Api) -> Json:
    """The type that exports recordings to S3."""
    pages = [api("GET", f"{INTEGRATIONS}/types?pageSize=100&pageNumber={page}").json()["entities"] for page in (1, 2)]
    (found,) = [one for page in pages for one in page if "s3" in one["id"] and "recording" in one["id"]]
    return found


def s3_integration(sandbox: Sandbox, api: Api) -> tuple[str, Json]:
    """Its id, and properties for the sandbox's bucket, with the role if they have it."""
    kind = s3_type(api)["id"]
    names = list(api("GET", f"{INTEGRATIONS}/types/{kind}/configschemas/properties").json()["properties"])
    values = {"bucket": sandbox["bucket"], "region": "us-east-1", "role": sandbox["role_arn"]}
    fitting = {word: [name for name in names if word in name.lower()] for word in values}
    return kind, {fitting[word][0]: value for word, value in values.items() if fitting[word]}


def integration(
    api: Api, name: str, kind: str, properties: Json, *, credentials: Json | None = None, enabled: bool = True
) -> str:
    """One that somebody else made; its id."""
    made: str = api("POST", INTEGRATIONS, {"name": name, "integrationType": {"id": kind}}).json()["id"]
    path = f"{INTEGRATIONS}/{made}"
    config = api("GET", f"{path}/config/current").json()
    config |= {"properties": properties, "notes": "by hand", "credentials": credentials or {}}
    assert api("PUT", f"{path}/config/current", config).is_success
    if enabled:
        assert api("PATCH", path, {"intendedState": "ENABLED"}).is_success
    return made
