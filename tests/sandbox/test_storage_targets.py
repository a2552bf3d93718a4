"""Targets, policies and webhooks: create, replace, read, delete, list, and the rules between them."""

import time

import pytest

from ..world import (
    POLICIES,
    POLICY_ID,
    TARGET_ID,
    TARGETS,
    WEBHOOK_ID,
    WEBHOOKS,
    policy,
    target,
    webhook,
)

ONE_OF_EACH = [
    (f"{TARGETS}/{TARGET_ID}", target()),
    (f"{POLICIES}/{POLICY_ID}", policy()),
    (f"{WEBHOOKS}/{WEBHOOK_ID}", webhook()),
]


def put_all(api):
    return [api("PUT", path, body) for path, body in ONE_OF_EACH]


def test_put_creates_then_replaces(api):
    """The first PUT answers 201 and version 1, the second 200 and version 2, keeping dateCreated."""
    first, again = put_all(api), put_all(api)
    for (path, body), one, two in zip(ONE_OF_EACH, first, again, strict=True):
        assert (one.status_code, two.status_code) == (201, 200)
        assert (one.json()["version"], two.json()["version"]) == (1, 2)
        assert one.json()["dateCreated"] == two.json()["dateCreated"] == one.json()["dateModified"]
        assert (two.json()["selfUri"], two.json()["id"]) == (path, path.rpartition("/")[2])
        assert two.json()["name"] == body["name"]
        assert api("GET", path).json() == two.json()


def test_secrets_are_never_shown(api):
    """Neither PUT, GET nor list shows the AWS secret or a webhook's token; the key id stays."""
    secret_hook = webhook(authentication={"type": "bearer", "token": "not-for-any-reader"})
    answers = [
        api("PUT", f"{TARGETS}/{TARGET_ID}", target()),
        api("GET", f"{TARGETS}/{TARGET_ID}"),
        api("GET", TARGETS),
        api("PUT", f"{WEBHOOKS}/{WEBHOOK_ID}", secret_hook),
        api("GET", f"{WEBHOOKS}/{WEBHOOK_ID}"),
        api("GET", WEBHOOKS),
    ]
    assert all("not-for-any-reader" not in answer.text for answer in answers)
    assert answers[1].json()["configuration"]["accessKeyId"] == "AKIAEXAMPLE"
    assert answers[4].json()["authentication"] == {"type": "bearer"}


def test_a_role_instead_of_keys(api):
    """roleArn and externalId are taken in place of a key pair and shown as they were given."""
    role = {
        "accessKeyId": None,
        "secretAccessKey": None,
        "roleArn": "arn:aws:iam::123456789012:role/recordings",
        "externalId": "org",
    }
    answer = api("PUT", f"{TARGETS}/{TARGET_ID}", target(configuration=role))
    assert answer.status_code == 201
    assert answer.json()["configuration"]["roleArn"] == role["roleArn"]
    assert "accessKeyId" not in answer.json()["configuration"]


def test_delete_then_not_found(api):
    """A deleted resource is gone for GET and for a second DELETE, in Genesys's error shape."""
    put_all(api)
    for path, _ in reversed(ONE_OF_EACH):
        assert api("DELETE", path).status_code == 204
        for method in ("GET", "DELETE"):
            answer = api(method, path)
            body = answer.json()
            assert (answer.status_code, body["code"], body["status"]) == (404, "not.found", 404)
            assert set(body) == {
                "message",
                "code",
                "status",
                "messageWithParams",
                "messageParams",
                "contextId",
                "details",
                "errors",
            }
            assert body["contextId"] == answer.headers["ININ-Correlation-Id"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (TARGETS, target(surprise=1), "surprise"),
        (TARGETS, target(id="x"), "id"),
        (TARGETS, target(type="gcs"), "type"),
        (TARGETS, target(retentionPeriodDays=0), "retentionPeriodDays"),
        (TARGETS, target(retentionPeriodDays="365"), "retentionPeriodDays"),
        (TARGETS, target(name=""), "name"),
        (TARGETS, target(configuration={"serverSideEncryption": "DES"}), "configuration.serverSideEncryption"),
        (TARGETS, target(configuration={"serverSideEncryption": None}), "configuration.serverSideEncryption"),
        (TARGETS, target(configuration={"secretAccessKey": None}), "configuration"),
        (TARGETS, target(configuration={"roleArn": "arn:aws:iam::123456789012:role/r"}), "configuration"),
        (TARGETS, target(configuration={"bucket": "No_Bucket"}), "configuration.bucket"),
        (TARGETS, target(configuration={"region": "mars"}), "configuration.region"),
        (POLICIES, policy(recordingTypes=[]), "recordingTypes"),
        (WEBHOOKS, webhook(events=["routing.queue.updated"]), "events"),
        (WEBHOOKS, webhook(events=[]), "events"),
        (WEBHOOKS, webhook(targetUrl="ftp://example.com"), "targetUrl"),
        (WEBHOOKS, webhook(authentication={"type": "basic"}), "authentication"),
        (WEBHOOKS, webhook(authentication={"type": "bearer"}), "authentication.bearer.token"),
        (WEBHOOKS, webhook(authentication=None), "authentication"),
    ],
)
def test_wrong_bodies_are_refused_by_field(api, path, body, field):
    """A body that breaks the schema is 400, names the field and repeats no value."""
    answer = api("PUT", f"{path}/x", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid.value")
    assert any(detail["fieldName"].startswith(field) for detail in answer.json()["details"])
    assert field in answer.json()["message"]
    assert "not-for-any-reader" not in answer.text
    assert api("GET", f"{path}/x").status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_malformed_json_is_refused(sandbox, api, body):
    """What is not JSON is 400 bad.request."""
    answer = sandbox.http.put(
        sandbox["api_url"] + TARGETS + "/x", content=body, headers={"Authorization": f"Bearer {api.token}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "bad.request")


def test_unknown_paths_and_methods(sandbox, api):
    """More segments than an id are 404, a method that is not served is 405, both in Genesys's shape."""
    answers = [api("GET", f"{TARGETS}/a/b"), api("PUT", f"{TARGETS}/"), api("PATCH", f"{TARGETS}/a")]
    assert [answer.status_code for answer in answers] == [404, 404, 405]
    assert all(answer.json()["contextId"] for answer in answers)


def test_ids_are_decoded_from_one_segment(api):
    """An id with a space, a slash and an umlaut is one encoded segment, and comes back whole."""
    path = f"{TARGETS}/a%20b%2Fc%C3%BC"
    answer = api("PUT", path, target())
    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["selfUri"]) == ("a b/cü", path)
    assert api("GET", path).json()["id"] == "a b/cü"


def test_policy_needs_an_existing_target(api):
    """A policy for an unknown target is 400 and names the target."""
    answer = api("PUT", f"{POLICIES}/{POLICY_ID}", policy())
    assert answer.status_code == 400
    assert TARGET_ID in answer.json()["message"]


def test_policy_may_not_outlast_its_target(api):
    """A policy's retention above its target's is 400 from either side; equal is allowed."""
    put_all(api)
    longer = api("PUT", f"{POLICIES}/{POLICY_ID}", policy(retentionPeriodDays=366))
    shorter = api("PUT", f"{TARGETS}/{TARGET_ID}", target(retentionPeriodDays=364))
    assert (longer.status_code, shorter.status_code) == (400, 400)
    assert "366" in longer.json()["message"]
    assert POLICY_ID in shorter.json()["message"]
    assert api("GET", f"{POLICIES}/{POLICY_ID}").json()["version"] == 1


def test_target_in_use_is_not_deleted(api):
    """Deleting a target with a policy is 409 until the policy is gone."""
    put_all(api)
    answer = api("DELETE", f"{TARGETS}/{TARGET_ID}")
    assert answer.status_code == 409
    assert POLICY_ID in answer.json()["message"]
    api("DELETE", f"{POLICIES}/{POLICY_ID}")
    assert api("DELETE", f"{TARGETS}/{TARGET_ID}").status_code == 204


def test_every_target_is_listed_once_across_pages(api):
    """120 targets come once each, also when one on an earlier page is deleted on the way."""
    ids = [f"target-{number:03}" for number in range(120)]
    for one in ids:
        api("PUT", f"{TARGETS}/{one}", target())
    seen, token = [], None
    while True:
        page = api("GET", TARGETS, params={"pageSize": 50, **({"pageToken": token} if token else {})}).json()
        seen += [entity["id"] for entity in page["entities"]]
        if token is None:
            assert (page["total"], page["pageSize"]) == (120, 50)
            api("DELETE", f"{TARGETS}/{ids[0]}")
        if "nextPageToken" not in page:
            break
        token = page["nextPageToken"]
    assert seen == ids
    assert len(api("GET", TARGETS).json()["entities"]) == 25


def test_a_full_last_page_has_no_next(api):
    """When the entities fill the last page exactly there is no nextPageToken."""
    for one in ("a", "b"):
        api("PUT", f"{TARGETS}/{one}", target())
    page = api("GET", TARGETS, params={"pageSize": 2}).json()
    assert len(page["entities"]) == 2
    assert "nextPageToken" not in page


@pytest.mark.parametrize("query", ["pageSize=101", "pageSize=0", "pageSize=x", "pageSize=-1", "pageToken=*"])
def test_wrong_paging_is_refused(api, query):
    """A page size outside 1 to 100 and a token that was never given are 400."""
    assert api("GET", f"{TARGETS}?{query}").status_code == 400


def test_reads_lag_behind_writes(sandbox, api):
    """With a read lag GET and list show the state of that long ago, while writes see the present."""
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.4})
    path, lagging = f"{TARGETS}/lagging", policy(storageTargetId="lagging")
    written = time.monotonic()
    assert api("PUT", path, target()).status_code == 201
    assert api("PUT", f"{POLICIES}/{POLICY_ID}", lagging).status_code == 201
    assert api("PUT", path, target(name="Renamed")).status_code == 200
    early, listed = api("GET", path).status_code, api("GET", TARGETS).text
    if time.monotonic() - written < 0.4:
        assert (early, "lagging" in listed) == (404, False)
    time.sleep(0.5)
    assert api("GET", path).json()["name"] == "Renamed"
    assert "lagging" in api("GET", TARGETS).text
