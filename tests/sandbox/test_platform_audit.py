"""The audit query and the change feed: both tell what was really done here."""

import time

import pytest

from ..world import eventually
from .platform import (
    AUDIT_TOPIC,
    EVENTBRIDGE,
    active,
    add_policy,
    create,
    eventbridge_properties,
    interval,
    retention_policy,
    s3_type,
    settle,
)

QUERY = "/api/v2/audits/query"


def ask(api, service, **filters):
    """The entries that a query finds, once it has succeeded."""
    body = {
        "interval": interval(),
        "serviceName": service,
        "filters": [{"property": name, "value": value} for name, value in filters.items()],
        "sort": [{"name": "Timestamp", "sortOrder": "ascending"}],
    }
    answer = api("POST", QUERY, body)
    assert answer.status_code == 202
    return results(api, answer.json()["id"])


def results(api, query_id):
    eventually(lambda: api("GET", f"{QUERY}/{query_id}").json()["state"] == "Succeeded")
    return api("GET", f"{QUERY}/{query_id}/results?pageSize=500").json()["entities"]


def policy_entries(api, policy_id):
    """What any service with an entity type "Policy" has about this one."""
    services = api("GET", f"{QUERY}/servicemapping").json()["services"]
    fitting = [one["name"] for one in services if "Policy" in [entity["name"] for entity in one["entities"]]]
    return [entry for service in fitting for entry in ask(api, service, EntityId=policy_id)]


def changes(entry):
    return {one["property"]: (one["oldValues"], one["newValues"]) for one in entry["propertyChanges"]}


def test_changes_of_a_policy(sandbox, api):
    """Create, replace, switch and delete are one entry each, by whom, with old and new values; reads are none."""
    body = retention_policy()
    made = add_policy(api)
    body["mediaPolicies"]["callPolicy"]["actions"]["retentionDuration"]["deleteRetention"]["days"] = 30
    api("PUT", made["selfUri"], body)
    api("GET", made["selfUri"])
    api("PUT", made["selfUri"], {**body, "name": ""})
    api("PATCH", made["selfUri"], {"enabled": True})
    api("DELETE", made["selfUri"])
    entries = policy_entries(api, made["id"])
    assert [entry["action"] for entry in entries] == ["Create", "Update", "Update", "Delete"]
    days = "mediaPolicies.callPolicy.actions.retentionDuration.deleteRetention.days"
    assert [changes(entry).get(days) for entry in entries] == [([], ["365"]), (["365"], ["30"]), None, (["30"], [])]
    assert changes(entries[2]) == {"enabled": (["false"], ["true"])}
    assert {entry["client"]["id"] for entry in entries} == {sandbox["client_id"]}
    assert {(entry["entity"]["id"], entry["entity"]["name"]) for entry in entries} == {(made["id"], "EU calls")}


def test_changes_of_an_integration(api):
    """Creating, configuring, enabling and deleting an integration are audited under Integrations."""
    made = active(api, EVENTBRIDGE, eventbridge_properties())
    api("DELETE", made["selfUri"])
    entries = ask(api, "Integrations", EntityId=made["id"])
    assert [entry["action"] for entry in entries] == ["Create", "Update", "Update", "Delete"]
    assert changes(entries[1])["properties.eventFilter"] == ([], [AUDIT_TOPIC])
    assert changes(entries[2]) == {"intendedState": (["DISABLED"], ["ENABLED"])}


def test_an_answer_takes_its_time(sandbox, api):
    """A query is Queued, then Running, then Succeeded; its results cannot be read before."""
    sandbox.control("PUT", "/settings", {"stage_s": 0.3})
    query = api("POST", QUERY, {"interval": interval(), "serviceName": "Integrations"}).json()
    early = api("GET", f"{QUERY}/{query['id']}/results").status_code
    states = [query["state"]]
    while states[-1] != "Succeeded":
        time.sleep(0.05)
        states.append(api("GET", f"{QUERY}/{query['id']}").json()["state"])
    assert list(dict.fromkeys(states)) == ["Queued", "Running", "Succeeded"]
    assert early == 400


def test_filters_and_interval_narrow(api):
    """Action, client and entity type are each held against the entries; so is the interval."""
    made = create(api, EVENTBRIDGE)
    settle(api, made["selfUri"])
    one = {"EntityId": made["id"]}
    assert [entry["action"] for entry in ask(api, "Integrations", Action="Update", **one)] == ["Update"]
    assert len(ask(api, "Integrations", EntityType="Integration", **one)) == 2
    assert ask(api, "Integrations", ClientId="another", **one) == []
    assert ask(api, "Integrations", UserId="somebody", **one) == []
    past = api("POST", QUERY, {"interval": interval(-7200, -3600), "serviceName": "Integrations"}).json()
    assert results(api, past["id"]) == []


def test_newest_first_over_pages(api):
    """Without a sort the newest comes first; the cursors lead through all pages, the last has none."""
    from_now = interval(0)  # what other tests did would be hundreds of pages, beyond the rate limit
    made = [create(api, EVENTBRIDGE)["id"] for _ in range(5)]
    query = api("POST", QUERY, {"interval": from_now, "serviceName": "Integrations"}).json()
    results(api, query["id"])
    seen, cursor = [], ""
    while True:
        page = api("GET", f"{QUERY}/{query['id']}/results?pageSize=2{cursor}").json()
        seen += [entry["entity"]["id"] for entry in page["entities"]]
        if "cursor" not in page:
            break
        assert len(page["entities"]) == page["pageSize"] == 2
        cursor = f"&cursor={page['cursor']}"
    assert seen == made[::-1]


def test_an_answer_is_fixed_when_it_is_asked(api):
    """What happens after the question is not in its answer."""
    query = api("POST", QUERY, {"interval": interval(), "serviceName": "Integrations"}).json()
    later = create(api, EVENTBRIDGE)["id"]
    assert later not in [entry["entity"]["id"] for entry in results(api, query["id"])]


def test_entries_lag_like_other_reads(sandbox, api):
    """With a read lag an entry is found only once it is that old."""
    made = create(api, EVENTBRIDGE)["id"]
    sandbox.control("PUT", "/settings", {"read_lag_s": 30.0})
    assert ask(api, "Integrations", EntityId=made) == []
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.0})
    assert len(ask(api, "Integrations", EntityId=made)) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"serviceName": "Integrations"}, "invalid.value"),
        ({"interval": "yesterday", "serviceName": "Integrations"}, "invalid.date"),
        ({"interval": "2026-11-02T00:00Z/2026-11-01T00:00Z", "serviceName": "Integrations"}, "invalid.date"),
        ({"interval": "2026-01-01T00:00Z/2026-03-01T00:00Z", "serviceName": "Integrations"}, "invalid.value"),
        ({"interval": interval(), "serviceName": "Weather"}, "invalid.value"),
        ({"interval": interval(), "serviceName": "Integrations", "filters": [{"property": "Mood"}]}, "invalid.value"),
    ],
)
def test_wrong_questions_are_refused(api, body, code):
    """A missing, malformed or overlong interval, an unknown service and an unknown filter are 400."""
    answer = api("POST", QUERY, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_an_unknown_query_and_a_wrong_cursor(api):
    """An id that was never given is 404, a cursor that was never given 400."""
    query = api("POST", QUERY, {"interval": interval(), "serviceName": "Integrations"}).json()
    results(api, query["id"])
    assert api("GET", f"{QUERY}/none").status_code == 404
    assert api("GET", f"{QUERY}/{query['id']}/results?cursor=*").status_code == 400
    assert api("GET", f"{QUERY}/{query['id']}/results?pageSize=501").status_code == 400


def in_lake(sandbox, **query):
    answer = sandbox.http.get(sandbox["datalake_url"] + "/events", params=query)
    return answer.json()["entities"]


def test_changes_reach_the_data_lake(sandbox, api):
    """With an active EventBridge integration a change arrives as the envelope, found by its entity's id."""
    active(api, EVENTBRIDGE, eventbridge_properties())
    answer = api("POST", "/api/v2/recording/mediaretentionpolicies", retention_policy())
    made, correlation_id = answer.json(), answer.headers["ININ-Correlation-Id"]
    (event,) = eventually(lambda: in_lake(sandbox, entityId=made["id"]))
    envelope = event["body"]
    assert (event["eventType"], event["eventId"]) == (AUDIT_TOPIC, envelope["id"])
    assert envelope["source"] == f"aws.partner/genesys.com/cloud/{sandbox['org_id']}/kit"
    assert (envelope["account"], envelope["region"]) == ("123456789012", "us-east-1")
    body = envelope["detail"]["eventBody"]
    assert envelope["detail"]["topicName"] == f"v2.audits.entitytype.Policy.entityid.{made['id']}"
    assert (body["action"], body["entity"]["name"]) == ("Create", "EU calls")
    assert body["clientId"] == {"id": sandbox["client_id"]}
    assert {"property": "enabled", "oldValues": [], "newValues": ["false"]} in body["propertyChanges"]
    assert in_lake(sandbox, correlationId=correlation_id) == [event]


def test_only_active_feeds_with_the_topic_deliver(sandbox, api):
    """Two feeds are off or listen to something else; one delivery comes, from the third."""
    create(api, EVENTBRIDGE, eventbridge_properties())
    other = eventbridge_properties(eventFilter=["v2.audits.entitytype.Integration.entityid.{id}"])
    active(api, EVENTBRIDGE, other)
    feed = active(api, EVENTBRIDGE, eventbridge_properties(eventFilter=["v2.audits.entitytype.Policy.entityid.{id}"]))
    made = add_policy(api)

    def deliveries():
        listing = sandbox.control("GET", "/deliveries").json()
        ours = [one for one in listing if made["id"] in str(one["event"])]
        return [one for one in ours if one["outcome"] != "pending"]

    found = eventually(deliveries)
    assert [(one["webhookId"], one["outcome"]) for one in found] == [(feed["id"], "delivered")]


def test_without_a_feed_nothing_is_sent(sandbox, api):
    """Once the feed is disabled a change stays in the audit log only."""
    feed = active(api, EVENTBRIDGE, eventbridge_properties())
    before = add_policy(api)
    eventually(lambda: in_lake(sandbox, entityId=before["id"]))
    settle(api, feed["selfUri"], "DISABLED")
    after = add_policy(api)
    time.sleep(0.3)
    assert in_lake(sandbox, entityId=after["id"]) == []
    assert [entry["action"] for entry in policy_entries(api, after["id"])] == ["Create"]


def test_an_s3_integration_is_no_feed(sandbox, api):
    """Only the EventBridge type carries changes."""
    create(api, s3_type(api)["id"])
    made = add_policy(api)
    time.sleep(0.2)
    assert in_lake(sandbox, entityId=made["id"]) == []
