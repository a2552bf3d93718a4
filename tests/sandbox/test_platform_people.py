"""Whom a policy can be about, by name, in the two styles of lists that Genesys has."""

import pytest

from opslib.sandbox.server.platform.people_routes import QUEUES, TEAMS, USERS, WRAPUP_CODES

from ..world import RETENTION_POLICIES
from .platform import retention_policy


@pytest.mark.parametrize("path", [QUEUES, USERS, WRAPUP_CODES])
def test_a_list_by_page_number(api, path):
    """Page after page, each entity once, with a name."""
    pages = [api("GET", f"{path}?pageSize=2&pageNumber={number}").json() for number in (1, 2)]
    entities = [one for page in pages for one in page["entities"]]
    assert len({one["id"] for one in entities}) == len(entities) == pages[0]["total"]
    assert all(one["name"] for one in entities)


def test_teams_are_continued_by_a_cursor(api):
    """The last page names no next one; a cursor that is not this API's is refused."""
    first = api("GET", f"{TEAMS}?pageSize=2").json()
    last = api("GET", first["nextUri"]).json()
    assert [one["name"] for one in first["entities"] + last["entities"]] == ["Back office", "Day shift", "Night shift"]
    assert "nextUri" not in last
    assert "total" not in last
    assert api("GET", f"{TEAMS}?after=*").status_code == 400


def test_a_policy_takes_a_listed_queue(api):
    """What the list names can stand in a condition."""
    queue = api("GET", QUEUES).json()["entities"][0]["id"]
    body = retention_policy()
    body["mediaPolicies"]["callPolicy"]["conditions"] = {"forQueues": [{"id": queue}]}
    assert api("POST", RETENTION_POLICIES, body).status_code == 200
