"""One integration: its configuration, and the states it goes through when it is switched on or off."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from opslib.sandbox.server.aws import AwsAccount
from opslib.sandbox.server.bodies import refusal
from opslib.sandbox.server.platform.integration_types import IntegrationType

INTEGRATIONS = "/api/v2/integrations"
Intent = Literal["ENABLED", "DISABLED"]
State = Literal["ACTIVE", "ACTIVATING", "INACTIVE", "DEACTIVATING", "ERROR"]


@dataclass(frozen=True)
class Integration:
    """`settles_at` (monotonic seconds): when the state that was asked for is reached; `obstacle`: why it never is.

    `changed` is when it was last asked for, UTC. `version` is the configuration's and grows with each of its writes.
    """

    id: str
    type: IntegrationType
    name: str
    changed: str
    settles_at: float
    intended: Intent = "DISABLED"
    obstacle: str | None = None
    version: int = 1
    properties: dict[str, Any] = field(default_factory=dict)
    advanced: dict[str, Any] = field(default_factory=dict)
    credentials: dict[str, Any] = field(default_factory=dict)
    notes: str = ""

    @property
    def path(self) -> str:
        return f"{INTEGRATIONS}/{self.id}"

    def state(self, lag_s: float) -> State:
        """As it was `lag_s` seconds ago."""
        settled = time.monotonic() - lag_s >= self.settles_at
        if self.intended == "DISABLED":
            return "INACTIVE" if settled else "DEACTIVATING"
        if not settled:
            return "ACTIVATING"
        return "ERROR" if self.obstacle else "ACTIVE"

    def credential_ids(self) -> list[str]:
        """The credentials that it uses."""
        return [str(reference["id"]) for reference in self.credentials.values()]

    def configuration(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "properties": self.properties,
            "advanced": self.advanced,
            "notes": self.notes,
            "credentials": self.credentials,
            "selfUri": f"{self.path}/config/current",
        }

    def public(self, lag_s: float) -> dict[str, Any]:
        state = self.state(lag_s)
        return {
            "id": self.id,
            "name": self.name,
            "integrationType": self.type.public(),
            "notes": self.notes,
            "intendedState": self.intended,
            "config": {"current": self.configuration()},
            "reportedState": {
                "code": state,
                "effective": state.capitalize(),
                "detail": {"message": self.obstacle} if state == "ERROR" else {},
                "lastUpdated": self.changed,
            },
            "attributes": {},
            "selfUri": self.path,
        }

    def audited(self) -> dict[str, Any]:
        configuration = self.configuration()
        return {
            "name": self.name,
            "intendedState": self.intended,
            **{part: configuration[part] for part in ("properties", "advanced", "notes", "credentials")},
        }


def obstacle(
    integration: Integration, bound: Mapping[str, Mapping[str, str]], aws: AwsAccount, org_id: str
) -> str | None:
    """Why the integration cannot become active, in words; None when it can.

    `bound`: the fields of its credentials, each under its name in the configuration.
    """
    try:
        integration.type.properties.model_validate(integration.properties)
    except ValidationError as error:
        return f"The configuration is incomplete: {refusal(error).params['problems']}"
    if missing := [
        name for name, spec in integration.type.credentials.items() if spec["required"] and name not in bound
    ]:
        return f"The configuration is incomplete: credential {', '.join(missing)} is missing"
    names, properties = integration.type.s3, integration.properties
    if names is None:
        return None
    role_arn, external_id = properties.get(names.role or ""), properties.get(names.external_id or "")
    if inside := integration.type.role_credential:
        fields = bound[inside.slot]
        role_arn, external_id = fields[inside.role], fields.get(inside.external_id or "")
    return aws.recording_obstacle(
        bucket=properties[names.bucket],
        region=properties[names.region],
        role_arn=str(role_arn),
        external_id=external_id or org_id,
    )
