"""The same org to change, on the platform API: an integration, a policy and an event feed, and its state as bytes."""

import json
import re

from opslib import Onboarding

from ..world import INTEGRATIONS, RETENTION_POLICIES, Api, Json, Sandbox

NAME = "platform"
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
    types = [
        one["id"]
        for page in (1, 2)
        for one in api("GET", f"{INTEGRATIONS}/types?pageSize=100&pageNumber={page}").json()["entities"]
    ]
    (s3,) = [one for one in types if "s3" in one and "recording" in one]
    names = list(api("GET", f"{INTEGRATIONS}/types/{s3}/configschemas/properties").json()["properties"])
    values = {"bucket": sandbox["bucket"], "region": "us-east-1", "role": sandbox["role_arn"]}
    s3_properties = {next(name for name in names if word in name.lower()): value for word, value in values.items()}
    target = _integration(api, "T", s3, s3_properties)
    properties = {
        "eventSourceSuffix": "old",
        "awsAccountId": "999999999999",
        "awsAccountRegion": "eu-west-1",
        "eventFilter": ["v2.audits.entitytype.{id}.entityid.{id}"],
    }
    _integration(api, "W", "amazon-eventbridge-source", properties)
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
    policy = {"name": "P", "description": "by hand", "enabled": True, "mediaPolicies": {"callPolicy": part}}
    assert api("POST", RETENTION_POLICIES, policy).is_success


def clear(api: Api) -> None:
    """Nothing is left."""
    for path in (RETENTION_POLICIES, INTEGRATIONS):
        for entity in api("GET", f"{path}?pageSize=100").json()["entities"]:
            api("DELETE", entity["selfUri"])


def state(api: Api) -> bytes:
    """Every object byte for byte, but for what each write moves (version, dates), with names in the place of ids."""
    found = [
        one
        for path in (INTEGRATIONS, RETENTION_POLICIES)
        for one in api("GET", f"{path}?pageSize=100").json()["entities"]
    ]
    whole = json.dumps(sorted(found, key=lambda one: str(one["name"])), sort_keys=True)
    for one in found:
        whole = whole.replace(one["id"], one["name"])
    return re.sub(r'"(version|order|createdDate|modifiedDate|lastUpdated)": ("[^"]*"|\d+)', r'"\1": 0', whole).encode()


def _integration(api: Api, name: str, kind: str, properties: Json) -> str:
    made: str = api("POST", INTEGRATIONS, {"name": name, "integrationType": {"id": kind}}).json()["id"]
    path = f"{INTEGRATIONS}/{made}"
    config = api("GET", f"{path}/config/current").json()
    config |= {"properties": properties, "notes": "by hand"}
    assert api("PUT", f"{path}/config/current", config).is_success
    assert api("PATCH", path, {"intendedState": "ENABLED"}).is_success
    return made
