"""Media retention policies: create, replace, switch, list with and without filters, delete."""

import time

import pytest

from ..world import RETENTION_POLICIES
from .platform import EVENTBRIDGE, add_policy, create, retention_policy, s3_type

CALLS = "mediaPolicies.callPolicy"


@pytest.fixture
def integration_id(api):
    return create(api, s3_type(api)["id"])["id"]


def with_call(part, **fields):
    """A policy whose call actions or conditions have these fields."""
    body = retention_policy()
    body["mediaPolicies"]["callPolicy"][part] |= fields
    return body


def ids(api, query=""):
    return [one["id"] for one in api("GET", f"{RETENTION_POLICIES}?{query}").json()["entities"]]


def test_create_answers_200_and_reads_back(api, integration_id):
    """POST answers 200 with the server's own fields and no version; GET gives the same."""
    made = add_policy(api, integration_id)
    assert made["selfUri"] == f"{RETENTION_POLICIES}/{made['id']}"
    assert made["createdDate"] == made["modifiedDate"]
    assert "version" not in made
    assert api("GET", made["selfUri"]).json() == made


def test_defaults_are_filled_in(api, integration_id):
    """What was not said reads as the documented defaults: retained, not deleted, screens exported, disabled."""
    body = with_call("actions", integrationExport={"integration": {"id": integration_id}})
    del body["enabled"]
    made = api("POST", RETENTION_POLICIES, body).json()
    actions = made["mediaPolicies"]["callPolicy"]["actions"]
    assert (actions["retainRecording"], actions["deleteRecording"], actions["alwaysDelete"]) == (True, False, False)
    assert actions["integrationExport"]["shouldExportScreenRecordings"] is True
    assert made["enabled"] is False


def test_put_replaces_everything(api):
    """What PUT leaves out is gone, id, order and createdDate stay; what the server sets may be sent back."""
    made = add_policy(api, description="first")
    put = api("PUT", made["selfUri"], {**made, "name": "Renamed", "description": None, "mediaPolicies": None})
    assert put.status_code == 200
    kept = {name: made[name] for name in ("id", "order", "createdDate", "enabled", "selfUri")}
    assert put.json() == {**kept, "name": "Renamed", "modifiedDate": put.json()["modifiedDate"]}


def test_patch_only_enables(api):
    """PATCH takes `enabled` and nothing else."""
    made = add_policy(api)
    assert api("PATCH", made["selfUri"], {"name": "Renamed"}).status_code == 400
    assert api("PATCH", made["selfUri"], {}).status_code == 400
    patched = api("PATCH", made["selfUri"], {"enabled": True}).json()
    assert patched == {**made, "enabled": True, "modifiedDate": patched["modifiedDate"]}


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"enabled": True}, "invalid.value", "name"),
        ({"name": ""}, "invalid.value", "name"),
        ({"name": "P", "surprise": 1}, "invalid.value", "surprise"),
        (with_call("conditions", directions=["UP"]), "invalid.value", f"{CALLS}.conditions.directions.0"),
        (
            with_call("conditions", mediaTypes=["CALL"]),
            "recording.media.policy.invalid",
            f"{CALLS}.conditions.mediaTypes",
        ),
        (with_call("conditions", dateRanges=["2026-01-01"]), "invalid.date", f"{CALLS}.conditions.dateRanges.0"),
        (
            with_call("conditions", dateRanges=["2026-02-01T00:00:00.000Z/2026-01-01T00:00:00.000Z"]),
            "invalid.date",
            f"{CALLS}.conditions.dateRanges.0",
        ),
        (
            with_call("actions", retentionDuration={"deleteRetention": {"days": 0}}),
            "recording.media.policy.invalid",
            f"{CALLS}.actions.retentionDuration.deleteRetention.days",
        ),
        (
            with_call("actions", retentionDuration={"archiveRetention": {"days": 1, "storageMedium": "GLACIER"}}),
            "invalid.value",
            f"{CALLS}.actions.retentionDuration.archiveRetention.storageMedium",
        ),
        (
            with_call("actions", integrationExport={"integration": {"id": "none"}}),
            "recording.media.policy.invalid",
            "integrationExport",
        ),
    ],
)
def test_wrong_policies_are_refused(api, body, code, field):
    """Each wrong field is 400 with its code and named in the details; nothing is created."""
    answer = api("POST", RETENTION_POLICIES, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["details"][0]["fieldName"] == field
    assert ids(api) == []


def test_a_wrong_replacement_changes_nothing(api):
    """A PUT that is refused leaves the policy as it was."""
    made = add_policy(api)
    assert api("PUT", made["selfUri"], {**made, "name": ""}).status_code == 400
    assert api("GET", made["selfUri"]).json() == made


def test_export_needs_an_s3_integration(api):
    """An integration of another type is no destination for recordings."""
    refused = api("POST", RETENTION_POLICIES, retention_policy(create(api, EVENTBRIDGE)["id"]))
    assert (refused.status_code, refused.json()["code"]) == (400, "recording.media.policy.invalid")


def test_a_lost_integration_is_an_error_of_the_policy(api, integration_id):
    """When the integration is deleted the policy stays, and says what is wrong with it."""
    good, bad = add_policy(api), add_policy(api, integration_id)
    assert "policyErrors" not in bad
    api("DELETE", f"/api/v2/integrations/{integration_id}")
    (message,) = api("GET", bad["selfUri"]).json()["policyErrors"]["policyErrorMessages"]
    assert integration_id in message["userMessage"]
    assert (ids(api, "hasErrors=true"), ids(api, "hasErrors=false")) == ([bad["id"]], [good["id"]])


def test_names_may_repeat(api):
    """Two policies of one name are two policies, each with its id."""
    assert add_policy(api)["id"] != add_policy(api)["id"]
    assert len(ids(api, "name=EU calls")) == 2


def test_pages_cover_all_and_say_where_to_go_on(api):
    """Five policies over pages of two: once each, in their order, with host-relative URIs and filters kept in them."""
    made = [add_policy(api, name=f"P{number}")["id"] for number in range(5)]
    seen, uri = [], f"{RETENTION_POLICIES}?pageSize=2&enabled=false"
    while uri:
        page = api("GET", uri).json()
        seen += [one["id"] for one in page["entities"]]
        uri = page.get("nextUri")
    assert seen == made
    assert (page["total"], page["pageCount"], page["pageNumber"]) == (5, 3, 3)
    assert page["firstUri"] == f"{RETENTION_POLICIES}?pageSize=2&enabled=false&pageNumber=1"
    assert page["lastUri"] == page["selfUri"] == f"{RETENTION_POLICIES}?pageSize=2&enabled=false&pageNumber=3"


def test_filters_that_look_like_defaults_hide_policies(api):
    """Without a filter all are listed; `enabled=false`, `deleteDaysThreshold=0` and an unfitting name hide some."""
    deleting = add_policy(api, enabled=True)["id"]
    keeping = add_policy(api, mediaPolicies=None)["id"]
    assert ids(api) == [deleting, keeping]
    assert ids(api, "enabled=false") == [keeping]
    assert ids(api, "deleteDaysThreshold=0") == ids(api, "deleteDaysThreshold=364") == [deleting]
    assert ids(api, "deleteDaysThreshold=365") == ids(api, "name=nothing") == []


def test_a_summary_leaves_out_the_details(api):
    """`summary=true` has neither conditions nor actions, so that it cannot be written back as it is."""
    add_policy(api)
    (entity,) = api("GET", f"{RETENTION_POLICIES}?summary=true").json()["entities"]
    assert set(entity) == {"id", "name", "enabled", "order", "createdDate", "modifiedDate", "selfUri"}


def test_sorting(api):
    """`sortBy` orders by a field of the policy; an unknown one is refused."""
    last, first = add_policy(api, name="b")["id"], add_policy(api, name="a")["id"]
    assert ids(api, "sortBy=name") == [first, last]
    assert ids(api) == ids(api, "sortBy=order") == [last, first]
    assert api("GET", f"{RETENTION_POLICIES}?sortBy=mood").status_code == 400


@pytest.mark.parametrize("query", ["pageSize=101", "pageNumber=0", "enabled=maybe", "deleteDaysThreshold=-1"])
def test_wrong_queries_are_refused(api, query):
    """A value that a parameter cannot have is 400 invalid.value."""
    answer = api("GET", f"{RETENTION_POLICIES}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid.value")


def test_delete_one_and_several(api):
    """One goes by its path, several by `ids`; with an unknown id among them nobody goes."""
    made = [add_policy(api)["id"] for _ in range(4)]
    assert api("DELETE", f"{RETENTION_POLICIES}/{made[0]}").status_code == 200
    assert api("DELETE", f"{RETENTION_POLICIES}/{made[0]}").status_code == 404
    assert api("DELETE", f"{RETENTION_POLICIES}?ids={made[1]},{made[0]}").status_code == 404
    assert ids(api) == made[1:]
    assert api("DELETE", f"{RETENTION_POLICIES}?ids={made[1]},{made[2]},{made[1]}").status_code == 200
    assert ids(api) == made[3:]
    assert api("DELETE", RETENTION_POLICIES).status_code == 400


def test_reads_lag_behind_writes(sandbox, api):
    """With a read lag a new policy is 404 and unlisted at first, while writes see the present."""
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.5})
    started = time.monotonic()
    made = add_policy(api)
    early, listed = api("GET", made["selfUri"]).status_code, made["id"] in ids(api)
    assert api("PATCH", made["selfUri"], {"enabled": True}).json()["enabled"] is True
    if time.monotonic() - started < 0.5:
        assert (early, listed) == (404, False)
    time.sleep(0.6)
    assert api("GET", made["selfUri"]).json()["enabled"] is True
