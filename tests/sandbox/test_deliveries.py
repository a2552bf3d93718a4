"""Webhook deliveries, end to end into the data lake."""

from ..world import (
    POLICIES,
    POLICY_ID,
    TARGET_ID,
    TARGETS,
    WEBHOOK_ID,
    WEBHOOKS,
    eventually,
    policy,
    target,
    webhook,
)

STORAGE = "routing.recording.storage.updated"
POLICY = "routing.recording.policy.updated"


def outcomes(sandbox, correlation_id):
    """What became of the deliveries of one change, once none is pending."""
    all_of_them = sandbox.control("GET", "/deliveries").json()
    ours = [one for one in all_of_them if one["event"].get("correlationId") == correlation_id]
    return ours if ours and all(one["outcome"] != "pending" for one in ours) else None


def in_lake(sandbox, correlation_id):
    answer = sandbox.http.get(sandbox["datalake_url"] + "/events", params={"correlationId": correlation_id})
    return [entity["body"] for entity in answer.json()["entities"]]


def test_changes_reach_the_data_lake(sandbox, api):
    """Each PUT and DELETE of a target and a policy arrives as one event, tied to it by correlation id."""
    hook = webhook(targetUrl=sandbox["datalake_url"] + "/ingest")
    assert api("PUT", f"{WEBHOOKS}/{WEBHOOK_ID}", hook).status_code == 201
    changes = [
        (api("PUT", f"{TARGETS}/{TARGET_ID}", target()), STORAGE, "target", TARGET_ID, "ProdVoiceArchive", 1),
        (api("PUT", f"{POLICIES}/{POLICY_ID}", policy()), POLICY, "policy", POLICY_ID, "ComplianceVoicePolicy", 1),
        (api("DELETE", f"{POLICIES}/{POLICY_ID}"), POLICY, "policy", POLICY_ID, "ComplianceVoicePolicy", 1),
    ]
    for answer, event_type, kind, entity_id, name, version in changes:
        correlation_id = answer.headers["ININ-Correlation-Id"]
        (event,) = eventually(lambda found=correlation_id: in_lake(sandbox, found))
        assert set(event) == {"eventId", "eventType", "timestamp", "orgId", "entity", "correlationId"}
        assert (event["eventType"], event["orgId"]) == (event_type, sandbox["org_id"])
        assert event["entity"] == {"kind": kind, "id": entity_id, "name": name, "version": version}


def test_only_enabled_and_subscribed_webhooks_are_called(sandbox, api):
    """A disabled webhook and one for other events hear nothing; a failed write raises no event."""
    lake = sandbox["datalake_url"]
    api("PUT", f"{WEBHOOKS}/off", webhook(targetUrl=lake, enabled=False))
    api("PUT", f"{WEBHOOKS}/other", webhook(targetUrl=lake, events=[POLICY]))
    api("PUT", f"{WEBHOOKS}/on", webhook(targetUrl=lake, events=[STORAGE]))
    failed = api("PUT", f"{TARGETS}/{TARGET_ID}", target(type="gcs")).headers["ININ-Correlation-Id"]
    good = api("PUT", f"{TARGETS}/{TARGET_ID}", target()).headers["ININ-Correlation-Id"]
    found = eventually(lambda: outcomes(sandbox, good))
    assert [one["webhookId"] for one in found] == ["on"]
    assert outcomes(sandbox, failed) is None


def test_a_failing_receiver_is_tried_three_times(sandbox, api):
    """Two failures are overcome by the third try; three make the delivery failed."""
    api("PUT", f"{WEBHOOKS}/{WEBHOOK_ID}", webhook(targetUrl=sandbox["datalake_url"] + "/flaky"))
    for failures, outcome in ((2, "delivered"), (3, "failed")):
        sandbox.control("POST", "/faults", {"path_regex": "^/flaky", "status": 500, "times": failures})
        change = api("PUT", f"{TARGETS}/{TARGET_ID}", target()).headers["ININ-Correlation-Id"]
        (delivery,) = eventually(lambda found=change: outcomes(sandbox, found))
        assert (delivery["outcome"], delivery["tries"]) == (outcome, 3)


def test_a_dead_receiver_is_a_failed_delivery(sandbox, api):
    """A port where nobody listens leaves the error's name and no status."""
    api("PUT", f"{WEBHOOKS}/{WEBHOOK_ID}", webhook(targetUrl="http://127.0.0.1:9/"))
    change = api("PUT", f"{TARGETS}/{TARGET_ID}", target()).headers["ININ-Correlation-Id"]
    (delivery,) = eventually(lambda: outcomes(sandbox, change))
    assert (delivery["outcome"], delivery["status"], delivery["error"]) == ("failed", None, "ConnectError")


def test_never_calls_beyond_loopback(sandbox, api):
    """A host that is not loopback is refused without a try, and counted as such."""
    api("PUT", f"{WEBHOOKS}/{WEBHOOK_ID}", webhook(targetUrl="http://192.0.2.1/ingest"))
    change = api("PUT", f"{TARGETS}/{TARGET_ID}", target()).headers["ININ-Correlation-Id"]
    (delivery,) = eventually(lambda: outcomes(sandbox, change))
    assert (delivery["outcome"], delivery["tries"]) == ("refused", 0)


def test_secrets_stay_out_of_events_and_deliveries(sandbox, api):
    """Neither the AWS secret nor the webhook's token shows up in a delivery or in the lake."""
    authentication = {"type": "bearer", "token": "not-for-any-reader"}
    hook = webhook(targetUrl=sandbox["datalake_url"], authentication=authentication)
    api("PUT", f"{WEBHOOKS}/{WEBHOOK_ID}", hook)
    change = api("PUT", f"{TARGETS}/{TARGET_ID}", target()).headers["ININ-Correlation-Id"]
    assert eventually(lambda: outcomes(sandbox, change))[0]["outcome"] == "delivered"
    assert "not-for-any-reader" not in sandbox.control("GET", "/deliveries").text
    assert "not-for-any-reader" not in sandbox.http.get(sandbox["datalake_url"] + "/events").text
