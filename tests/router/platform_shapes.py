"""The org to change in the shapes that a live one may have: the role in a credential, another integration active."""

import json
from dataclasses import dataclass

from opslib import Onboarding
from opslib.genesys.integration_credentials import Held

from ..world import INTEGRATIONS, Api, Json, Sandbox
from . import platform_org as platform

OTHER = "Recordings of another team"


@dataclass(frozen=True)
class Shaped:
    """The same functions as `platform_org`, on a sandbox with this shape. Where another integration is active, one that
    is seeded as T is switched off, as it would be."""

    shape: str
    NAME = platform.NAME
    REFUSED = platform.REFUSED
    onboarding = staticmethod(platform.onboarding)
    state = staticmethod(platform.state)

    @property
    def another_active(self) -> bool:
        return "another-active" in self.shape

    def changed(self, sandbox: Sandbox) -> Onboarding:
        """The policy and the feed otherwise; the target stays on, with the onboarding's role."""
        other = platform.changed(sandbox)
        return other.model_copy(update={"target": other.target.model_copy(update={"enabled": True})})

    def seed(self, sandbox: Sandbox, api: Api) -> None:
        """As `platform_org` seeds it; a credential is one that opslib made earlier, for another role."""
        kind, properties = platform.s3_integration(sandbox, api)
        credentials = bind(sandbox, api, Held("T", other_role(sandbox), sandbox["external_id"]).name)
        target = platform.integration(
            api, "T", kind, properties, credentials=credentials, enabled=not self.another_active
        )
        platform.export(api, "P", target)

    def clear(self, api: Api) -> None:
        """Nothing is left but another team's integration, where there is one."""
        platform.clear(api)
        if self.another_active:
            make_other(api.sandbox, api)


def make_other(sandbox: Sandbox, api: Api) -> str:
    """Another team's active integration, and a policy that exports through it."""
    kind, properties = platform.s3_integration(sandbox, api)
    other = platform.integration(api, OTHER, kind, properties, credentials=bind(sandbox, api, "by hand"))
    platform.export(api, "Calls of another team", other)
    return other


def bind(sandbox: Sandbox, api: Api, name: str) -> Json:
    """What binds a new credential of this name, if the type has one; it holds the role that its name says, or else the
    sandbox's."""
    role = other_role(sandbox) if "other" in name else sandbox["role_arn"]
    types = api("GET", f"{platform.CREDENTIALS}/types").json()
    for slot, asked in platform.s3_type(api)["credentials"].items():
        (kind,) = [one for one in types if one["id"] in asked["credentialTypes"]]
        fields = kind["properties"].get("properties", kind["properties"])
        values = {field: sandbox["external_id"] if "xternal" in field else role for field in fields}
        body = {"name": name, "type": {"id": kind["id"]}, "credentialFields": values}
        return {slot: {"id": api("POST", platform.CREDENTIALS, body).json()["id"]}}
    return {}


def other_role(sandbox: Sandbox) -> str:
    """Another role that Genesys may assume to write to the bucket."""
    iam, name = sandbox.s3(service="iam"), "other-genesys-role"
    if name not in [role["RoleName"] for role in iam.list_roles()["Roles"]]:
        trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::765628985471:root"}, "Action": "sts:AssumeRole"}
        write = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
        iam.put_role_policy(RoleName=name, PolicyName="write", PolicyDocument=_document(write))
    return str(iam.get_role(RoleName=name)["Role"]["Arn"])


def _document(statement: Json) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def integrations(api: Api) -> dict[str, str]:
    """The state of each integration by its name."""
    entities = api("GET", f"{INTEGRATIONS}?pageSize=100").json()["entities"]
    return {one["name"]: one["reportedState"]["code"] for one in entities}


def credentials(api: Api) -> list[str]:
    """The names of all credentials."""
    return sorted(one["name"] for one in api("GET", f"{platform.CREDENTIALS}?pageSize=100").json()["entities"])


CREDENTIAL = Shaped("role-in-credentials")
ANOTHER_ACTIVE = Shaped("role-in-credentials-another-active")
