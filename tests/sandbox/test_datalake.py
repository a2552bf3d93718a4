"""The data lake's receiver and catalogue."""

import uuid

import pytest


def event(**changes):
    return {
        "eventId": str(uuid.uuid4()),
        "eventType": "routing.recording.policy.updated",
        "entity": {"kind": "policy", "id": str(uuid.uuid4())},
        "correlationId": str(uuid.uuid4()),
        **changes,
    }


def test_keeps_events_sent_to_any_path_and_finds_them(sandbox):
    """JSON posted anywhere is kept and found by entity, type and correlation id, newest last."""
    one = event()
    two = event(entity=one["entity"], eventType="routing.recording.storage.updated")
    for path, body in (("/", one), ("/deep/ingest?key=1", two)):
        assert sandbox.http.post(sandbox["datalake_url"] + path, json=body).status_code == 202
    url = sandbox["datalake_url"] + "/events"
    both = sandbox.http.get(url, params={"entityId": one["entity"]["id"]}).json()
    assert (both["total"], [entity["body"] for entity in both["entities"]]) == (2, [one, two])
    last = sandbox.http.get(url, params={"eventType": two["eventType"], "correlationId": two["correlationId"]}).json()
    assert [entity["eventId"] for entity in last["entities"]] == [two["eventId"]]


def test_an_event_is_kept_once(sandbox):
    """The same event id a second time is accepted and not kept again."""
    one = event()
    answers = [sandbox.http.post(sandbox["datalake_url"], json=one) for _ in range(2)]
    assert [(answer.status_code, answer.json()["new"]) for answer in answers] == [(202, True), (202, False)]
    found = sandbox.http.get(sandbox["datalake_url"] + "/events", params={"entityId": one["entity"]["id"]})
    assert found.json()["total"] == 1


@pytest.mark.parametrize("body", [b"", b"plain", b"NaN", b"\xff\xfe", b"[" * 100_000])
def test_what_is_not_json_is_refused(sandbox, body):
    """A body that is not JSON is 400."""
    assert sandbox.http.post(sandbox["datalake_url"], content=body).status_code == 400
