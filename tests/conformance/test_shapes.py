"""What the official SDK sees after opslib has walked through an org in each shape of its S3 integration."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opslib.onboarding.models import Consent
from opslib.sandbox.server.platform.shapes import SHAPES
from opslib.walk.walk import Walk

from ..router import platform_org as org
from ..router.platform_shapes import OTHER, make_other
from ..sandbox.platform import create, eventbridge_properties
from ..world import INTEGRATIONS, environment
from . import oracle
from .test_our_requests import Sent, sent, wrong  # noqa: F401 (sent is a fixture)

CREDENTIALS = f"{INTEGRATIONS}/credentials"


@pytest.fixture(params=SHAPES)
def shape(request, sandbox, api):
    settings = {"rate_limit": 100_000, "stage_s": 0.0, "backend": "platform", "integration_shape": request.param}
    sandbox.control("PUT", "/settings", settings)
    if SHAPES[request.param].another_active:
        make_other(sandbox, api)
    return SHAPES[request.param]


@pytest.fixture
async def walk(shape, sandbox, tmp_path: Path, monkeypatch) -> AsyncIterator[Walk]:
    for name, value in environment(sandbox, tmp_path).items():
        monkeypatch.setenv(name, value)
    async with Walk(org.onboarding(sandbox)) as walk:
        yield walk


async def apply(walk: Walk) -> None:
    async for _ in walk.in_order(Consent(confirm="T", reason="test"), until="apply"):
        pass


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_sdk_sees_what_the_walk_says(walk, shape, sdk, sandbox, sent: Sent):  # noqa: F811
    """One active integration, its bucket, role and credential, the policy that exports through it; and nothing was sent
    that the SDK does not know."""
    await apply(walk)
    assert wrong(sent) == []
    api = sdk.IntegrationsApi
    found = {one.name: one for one in api.get_integrations(page_size=100).entities}
    states = {name: one.reported_state.code for name, one in found.items()}
    others = {OTHER: "INACTIVE"} if shape.another_active else {}
    assert states == {"T": "ACTIVE", "W": "ACTIVE", **others}
    config = api.get_integration_config_current(found["T"].id)
    assert sandbox["bucket"] in config.properties.values()
    assert (sandbox["role_arn"] in config.properties.values()) != shape.role_in_credentials
    bound = [one.id for one in (config.credentials or {}).values()]
    ours = [
        one.id for one in api.get_integrations_credentials(page_size=100).entities if one.name.startswith("T, role")
    ]
    assert bound == ours
    assert len(ours) == shape.role_in_credentials
    for id in bound:
        assert api.get_integrations_credential(id).credential_fields is None
    recording = sdk.RecordingApi
    (listed,) = [one for one in recording.get_recording_mediaretentionpolicies().entities if one.name == "P"]
    actions = recording.get_recording_mediaretentionpolicy(listed.id).media_policies.call_policy.actions
    assert (listed.enabled, actions.integration_export.integration.id) == (True, found["T"].id)


@pytest.mark.timeout(300)
def test_the_sdk_makes_binds_and_deletes_a_credential(sdk, sandbox, api):
    """As opslib does; and what it is refused says why, in an answer that the SDK knows."""
    sandbox.control("PUT", "/settings", {"stage_s": 0.0, "integration_shape": "role-in-credentials"})
    integrations = sdk.IntegrationsApi
    kinds = {one.id: one for one in integrations.get_integrations_credentials_types()}
    kind = integrations.get_integrations_type(org.s3_type(api)["id"])
    ((slot, asked),) = kind.credentials.items()
    (type_id,) = asked.credential_types
    fields = dict.fromkeys(kinds[type_id].display_order, sandbox["role_arn"])
    reference = sdk.model("CredentialType", id=type_id)
    body = sdk.model("Credential", name="by hand", type=reference, credential_fields=fields)
    made = integrations.post_integrations_credentials(body=body)
    request = sdk.model("CreateIntegrationRequest", name="S", integration_type=sdk.model("IntegrationType", id=kind.id))
    integration = integrations.post_integrations(body=request)
    config = integrations.get_integration_config_current(integration.id)
    config.credentials = {slot: sdk.model("CredentialInfo", id=made.id)}
    config.properties, config.notes = org.s3_integration(sandbox, api)[1], ""
    bound = integrations.put_integration_config_current(integration.id, body=config)
    assert bound.credentials[slot].id == made.id
    with pytest.raises(sdk.models.rest.ApiException) as used:
        integrations.delete_integrations_credential(made.id)
    assert (used.value.status, "used by integration S" in used.value.body) == (409, True)
    integrations.delete_integration(integration.id)
    integrations.delete_integrations_credential(made.id)
    assert integrations.get_integrations_credentials().total == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", CREDENTIALS, {"name": "C", "type": {"id": "none"}, "credentialFields": {}}, 400),
        ("POST", CREDENTIALS, {"name": "C", "type": {"id": "basicAuth"}, "credentialFields": {}}, 400),
        ("POST", CREDENTIALS, {"type": {"id": "basicAuth"}, "credentialFields": {"userName": "u", "x": "y"}}, 400),
        ("GET", f"{CREDENTIALS}/none", None, 404),
        ("DELETE", f"{CREDENTIALS}/none", None, 404),
    ],
)
def test_a_wrong_credential_is_refused(api, method, path, body, status):
    """A type that does not exist, a field that is missing, one too many, and what is not there."""
    answer = api(method, path, body)
    assert answer.status_code == status
    assert oracle.problems("ErrorBody", answer.json()) == []


def test_a_credential_is_bound_only_where_it_belongs(sandbox, api):
    """Its name in the configuration, the credential and its type have to fit, or nothing changes."""
    sandbox.control("PUT", "/settings", {"stage_s": 0.0, "integration_shape": "role-in-credentials"})
    kind = org.s3_type(api)
    ((slot, _),) = kind["credentials"].items()
    body = {"name": "basic", "type": {"id": "basicAuth"}, "credentialFields": {"userName": "u"}}
    basic = api("POST", CREDENTIALS, body).json()["id"]
    made = create(api, kind["id"], org.s3_integration(sandbox, api)[1])
    config = api("GET", f"{made['selfUri']}/config/current").json()
    for wrong_one in ({"other": {"id": basic}}, {slot: {"id": "none"}}, {slot: {"id": basic}}):
        assert api("PUT", config["selfUri"], {**config, "credentials": wrong_one}).status_code == 400
    assert api("GET", config["selfUri"]).json() == config
    feed = create(api, "amazon-eventbridge-source", eventbridge_properties())
    config = api("GET", f"{feed['selfUri']}/config/current").json()
    assert api("PUT", config["selfUri"], {**config, "credentials": {slot: {"id": basic}}}).status_code == 400


def test_without_its_credential_an_integration_does_not_start(sandbox, api):
    """Genesys's state is ERROR, and says what is missing."""
    sandbox.control("PUT", "/settings", {"stage_s": 0.0, "integration_shape": "role-in-credentials"})
    made = create(api, org.s3_type(api)["id"], org.s3_integration(sandbox, api)[1])
    state = api("PATCH", made["selfUri"], {"intendedState": "ENABLED"}).json()["reportedState"]
    assert (state["code"], "credential" in state["detail"]["message"]) == ("ERROR", True)


def test_one_s3_integration_is_active(sandbox, api):
    """The second is refused until the first is off; an integration of another type is not in its way."""
    sandbox.control("PUT", "/settings", {"stage_s": 0.0})
    kind, properties = org.s3_integration(sandbox, api)
    first, second = (create(api, kind, properties, name) for name in ("first", "second"))
    feed = create(api, "amazon-eventbridge-source", eventbridge_properties())

    def switch(one, state):
        return api("PATCH", one["selfUri"], {"intendedState": state}).status_code

    assert [switch(feed, "ENABLED"), switch(first, "ENABLED"), switch(second, "ENABLED")] == [200, 200, 409]
    assert [switch(first, "ENABLED"), switch(first, "DISABLED"), switch(second, "ENABLED")] == [200, 200, 200]
    assert switch(first, "ENABLED") == 409
