"""The official SDK, unmodified, drives the sandbox as it would drive a live org."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ..world import eventually

EVENTBRIDGE = {
    "eventSourceSuffix": "kit",
    "awsAccountId": "123456789012",
    "awsAccountRegion": "us-east-1",
    "eventFilter": ["v2.audits.entitytype.{id}.entityid.{id}"],
}


def s3_type(sdk):
    """The S3 recording type, found by reading every page."""
    pages = [sdk.IntegrationsApi.get_integrations_types(page_size=100, page_number=1)]
    while pages[-1].next_uri:
        number = pages[-1].page_number + 1
        pages.append(sdk.IntegrationsApi.get_integrations_types(page_size=100, page_number=number))
    types = [one for page in pages for one in page.entities]
    assert len(types) == pages[0].total
    (found,) = (one for one in types if "s3" in one.id and "recording" in one.id)
    return found


def s3_properties(sdk, type_id, sandbox):
    """The sandbox's own bucket and role under the names that the type's schema has for them."""
    schema = sdk.IntegrationsApi.get_integrations_type_configschema(type_id, "properties")
    values = {"bucket": sandbox["bucket"], "region": sandbox["region"], "role": sandbox["role_arn"]}
    titles = {"S3 bucket": "bucket", "AWS region of the bucket": "region"}
    return {name: values[titles.get(schema.properties[name]["title"], "role")] for name in schema.required}


def create(sdk, type_id, properties, name="Recordings to lake"):
    """An integration with its configuration, not yet enabled."""
    kind = sdk.model("IntegrationType", id=type_id)
    request = sdk.model("CreateIntegrationRequest", name=name, integration_type=kind)
    made = sdk.IntegrationsApi.post_integrations(body=request)
    configure(sdk, made.id, properties=properties, notes="kit:managed")
    return made


def configure(sdk, integration_id, **changes):
    """Read the current configuration, change it, write it back."""
    current = sdk.IntegrationsApi.get_integration_config_current(integration_id)
    for name, value in changes.items():
        setattr(current, name, value)
    return sdk.IntegrationsApi.put_integration_config_current(integration_id, body=current)


def enable(sdk, integration_id):
    """Switch on, and wait until the org says that it runs."""
    sdk.IntegrationsApi.patch_integration(integration_id, body=sdk.model("Integration", intended_state="ENABLED"))
    return eventually(lambda: state(sdk, integration_id) == "ACTIVE")


def state(sdk, integration_id):
    return sdk.IntegrationsApi.get_integration(integration_id).reported_state.code


def policy(sdk, name, integration_id, days=365):
    """A policy for the calls of one queue, which are exported, and deleted after a while."""
    return sdk.model(
        "PolicyCreate",
        name=name,
        enabled=False,
        media_policies=sdk.model(
            "MediaPolicies",
            call_policy=sdk.model(
                "CallMediaPolicy",
                conditions=sdk.model(
                    "CallMediaPolicyConditions", for_queues=[sdk.model("Queue", id="queue-1")], directions=["INBOUND"]
                ),
                actions=sdk.model(
                    "PolicyActions",
                    retention_duration=sdk.model(
                        "RetentionDuration", delete_retention=sdk.model("DeleteRetention", days=days)
                    ),
                    integration_export=sdk.model(
                        "IntegrationExport",
                        integration=sdk.model("DomainEntityRef", id=integration_id),
                        should_export_screen_recordings=False,
                    ),
                ),
            ),
        ),
    )


@pytest.fixture
def integration(sdk, sandbox):
    kind = s3_type(sdk)
    return create(sdk, kind.id, s3_properties(sdk, kind.id, sandbox))


@pytest.mark.slow
def test_token_and_organization(sdk, sandbox):
    """The token that the SDK fetched is valid, tells org and client, and is worthless once it is revoked."""
    about = sdk.TokensApi.get_tokens_me()
    assert (about.organization.id, about.o_auth_client.id) == (sandbox["org_id"], sandbox["client_id"])
    sdk.TokensApi.head_tokens_me()
    sdk.TokensApi.delete_tokens_me()
    with pytest.raises(sdk.models.rest.ApiException) as refused:
        sdk.TokensApi.get_tokens_me()
    assert refused.value.status == 401


def test_limits(sdk, sandbox):
    """The org's limit per token is the one in force, and the default the one it starts with."""
    sandbox.control("PUT", "/settings", {"rate_limit": 1234})
    now = sdk.OrganizationApi.get_organizations_limits_namespace("platform.api")
    default = sdk.OrganizationApi.get_organizations_limits_namespace_defaults("platform.api")
    key = "client.credentials.token.rate.per.minute"
    values = [next(one.value for one in listing.entities if one.key == key) for listing in (now, default)]
    assert values == [1234, 300]


def test_data_retention(sdk):
    """The org's retention of interaction data comes as a number of days with its dates."""
    settings = sdk.AnalyticsApi.get_analytics_dataretention_settings()
    assert settings.retention_days >= 90
    assert isinstance(settings.date_created, datetime)


def test_integration_from_type_to_active(sdk, sandbox):
    """Type → schema → create → configure → enable → active; its name and notes are those that were given."""
    kind = s3_type(sdk)
    made = create(sdk, kind.id, s3_properties(sdk, kind.id, sandbox))
    assert (made.intended_state, made.reported_state.code) == ("DISABLED", "INACTIVE")
    enable(sdk, made.id)
    found = sdk.IntegrationsApi.get_integration(made.id)
    assert (found.name, found.config.current.notes, found.config.current.version) == (
        "Recordings to lake",
        "kit:managed",
        2,
    )
    assert found.integration_type.id == kind.id


def test_integrations_by_pages_until_deleted(sdk):
    """Seven integrations come over three pages, once each; a deleted one is gone."""
    made = {create(sdk, "amazon-eventbridge-source", EVENTBRIDGE, name=f"feed {number}").id for number in range(7)}
    pages = [sdk.IntegrationsApi.get_integrations(page_size=3, page_number=number) for number in (1, 2, 3)]
    assert [(page.total, page.page_count, len(page.entities)) for page in pages] == [(7, 3, 3), (7, 3, 3), (7, 3, 1)]
    assert sorted(one.id for page in pages for one in page.entities) == sorted(made)
    gone = made.pop()
    assert sdk.IntegrationsApi.delete_integration(gone).intended_state == "DELETED"
    with pytest.raises(sdk.models.rest.ApiException) as missing:
        sdk.IntegrationsApi.get_integration(gone)
    assert missing.value.status == 404
    assert {one.id for one in sdk.IntegrationsApi.get_integrations(page_size=100).entities} == made


def test_policy_create_replace_patch_delete(sdk, integration):
    """A policy keeps what it was given; PUT replaces all of it, PATCH only enables, DELETE ends it."""
    recording = sdk.RecordingApi
    made = recording.post_recording_mediaretentionpolicies(policy(sdk, "EU calls", integration.id))
    actions = recording.get_recording_mediaretentionpolicy(made.id).media_policies.call_policy.actions
    assert (actions.retention_duration.delete_retention.days, actions.integration_export.integration.id) == (
        365,
        integration.id,
    )
    replaced = recording.put_recording_mediaretentionpolicy(
        made.id, policy(sdk, "EU calls, longer", integration.id, 400)
    )
    assert (replaced.id, replaced.name, replaced.created_date) == (made.id, "EU calls, longer", made.created_date)
    assert replaced.modified_date > made.modified_date
    patched = recording.patch_recording_mediaretentionpolicy(made.id, sdk.model("PolicyUpdate", enabled=True))
    assert (patched.enabled, patched.name) == (True, "EU calls, longer")
    assert patched.media_policies.call_policy.actions.retention_duration.delete_retention.days == 400
    recording.delete_recording_mediaretentionpolicy(made.id)
    with pytest.raises(sdk.models.rest.ApiException) as missing:
        recording.get_recording_mediaretentionpolicy(made.id)
    assert missing.value.status == 404


def test_policies_by_pages_and_deleted_by_ids(sdk, integration):
    """Thirty policies come over two pages in their order, once each, and go by their ids."""
    recording = sdk.RecordingApi
    made = [
        recording.post_recording_mediaretentionpolicies(policy(sdk, f"P{number:02}", integration.id)).id
        for number in range(30)
    ]
    first = recording.get_recording_mediaretentionpolicies(page_size=25, page_number=1)
    second = recording.get_recording_mediaretentionpolicies(page_size=25, page_number=2)
    assert [one.id for one in first.entities + second.entities] == made
    assert (first.total, first.page_count, first.next_uri, second.next_uri) == (30, 2, second.self_uri, None)
    recording.delete_recording_mediaretentionpolicies(",".join(made[:29]))
    assert [one.id for one in recording.get_recording_mediaretentionpolicies().entities] == made[29:]


def test_audit_query_to_its_results(sdk, integration):
    """The audit log has, page by page, who did what to a policy, with old and new values."""
    recording, audit = sdk.RecordingApi, sdk.AuditApi
    made = recording.post_recording_mediaretentionpolicies(policy(sdk, "Audited", integration.id))
    recording.patch_recording_mediaretentionpolicy(made.id, sdk.model("PolicyUpdate", enabled=True))
    recording.delete_recording_mediaretentionpolicy(made.id)
    mapping = audit.get_audits_query_servicemapping()
    services = [one.name for one in mapping.services if "Policy" in [entity.name for entity in one.entities]]
    entries = [entry for service in services for entry in audited(sdk, service, made.id)]
    assert [entry.action for entry in entries] == ["Create", "Update", "Delete"]
    assert all(isinstance(entry.event_date, datetime) for entry in entries)
    (change,) = entries[1].property_changes
    assert (change.pcProperty, change.old_values, change.new_values) == ("enabled", ["false"], ["true"])
    assert {entry.client.id for entry in entries} == {sdk.TokensApi.get_tokens_me().o_auth_client.id}


def audited(sdk, service, entity_id):
    """All entries about an entity, oldest first: asked for, waited for, read two to a page."""
    now = datetime.now(UTC)
    interval = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}/{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    query = sdk.AuditApi.post_audits_query(
        sdk.model(
            "AuditQueryRequest",
            interval=interval,
            service_name=service,
            filters=[sdk.model("AuditQueryFilter", pcProperty="EntityId", value=entity_id)],
            sort=[sdk.model("AuditQuerySort", name="Timestamp", sort_order="ascending")],
        )
    )
    assert query.state in ("Queued", "Running")
    eventually(lambda: sdk.AuditApi.get_audits_query_transaction_id(query.id).state == "Succeeded")
    page = sdk.AuditApi.get_audits_query_transaction_id_results(query.id, page_size=2)
    entries = page.entities
    while page.cursor:
        page = sdk.AuditApi.get_audits_query_transaction_id_results(query.id, page_size=2, cursor=page.cursor)
        entries += page.entities
    return entries


def test_a_missing_permission_surfaces(sdk, limited):
    """403 reaches the SDK's user as an ApiException with the code and the permission's name in its body."""
    reader = limited("recording:retentionPolicy:view")
    assert reader.RecordingApi.get_recording_mediaretentionpolicies().total == 0
    with pytest.raises(sdk.models.rest.ApiException) as refused:
        reader.RecordingApi.post_recording_mediaretentionpolicies(sdk.model("PolicyCreate", name="P"))
    body = json.loads(refused.value.body)
    assert (refused.value.status, body["code"]) == (403, "missing.permissions")
    assert body["messageParams"]["permissions"] == "recording:retentionPolicy:add"
    assert refused.value.headers["ININ-Correlation-Id"] == body["contextId"]


def test_a_version_conflict_surfaces(sdk, integration):
    """A configuration that was written meanwhile is 409 and stays; read again, the change is taken."""
    stale = sdk.IntegrationsApi.get_integration_config_current(integration.id)
    configure(sdk, integration.id, notes="meanwhile")
    with pytest.raises(sdk.models.rest.ApiException) as conflict:
        sdk.IntegrationsApi.put_integration_config_current(integration.id, body=stale)
    assert conflict.value.status == 409
    assert json.loads(conflict.value.body)["message"] == "Version does not match current version."
    assert configure(sdk, integration.id, notes="again").notes == "again"


def test_a_rate_limit_surfaces(sdk, sandbox):
    """A 429 that says nothing about when to come back is an ApiException with Genesys's body."""
    sandbox.control("POST", "/faults", {"status": 429, "path_regex": "/mediaretentionpolicies", "times": 1})
    with pytest.raises(sdk.models.rest.ApiException) as limited:
        sdk.RecordingApi.get_recording_mediaretentionpolicies()
    assert (limited.value.status, json.loads(limited.value.body)["code"]) == (429, "too.many.requests")


def test_the_sdk_waits_as_the_rate_limit_says(sdk, sandbox):
    """Beyond the limit the SDK obeys Retry-After, and gets its answer in the next window."""
    sandbox.control("PUT", "/settings", {"rate_limit": 2, "rate_window_s": 1.0})
    sandbox.control("DELETE", "/requests")
    for _ in range(3):
        assert sdk.RecordingApi.get_recording_mediaretentionpolicies().total == 0
    assert len(sandbox.requests()) > 3


def test_no_answer_is_beyond_what_the_sdk_knows(sdk, integration):
    """No enum value of an answer is unknown to the SDK, which would quietly replace it."""
    recording = sdk.RecordingApi
    enable(sdk, integration.id)
    made = recording.post_recording_mediaretentionpolicies(policy(sdk, "Known", integration.id))
    answers = [
        sdk.TokensApi.get_tokens_me(),
        sdk.IntegrationsApi.get_integrations(),
        recording.get_recording_mediaretentionpolicies(),
        recording.get_recording_mediaretentionpolicy(made.id),
        *audited(sdk, "Integrations", integration.id),
    ]
    assert all("outdated_sdk_version" not in str(answer) for answer in answers)
