"""Integrations: discovered, created, configured, switched on and off, deleted."""

import json
import time

import pytest

from ..world import INTEGRATIONS, running
from .platform import EVENTBRIDGE, create, eventbridge_properties, s3_properties, s3_type, settle

ROLE = "ARN of the IAM role that Genesys Cloud assumes"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::765628985471:root"}, "Action": "sts:AssumeRole"}


def make_role(sandbox, name, trust, action="s3:PutObject"):
    """A role of the sandbox's account with one allowed action on everything."""
    iam = sandbox.s3(service="iam")
    document = {"Version": "2012-10-17", "Statement": [trust]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    iam.put_role_policy(RoleName=name, PolicyName="write", PolicyDocument=json.dumps(allowed))
    return role["Role"]["Arn"]


def test_every_type_is_listed_once_across_pages(api):
    """The types come over several pages whose URIs lead on, once each, as many as the total says."""
    seen, uri, pages = [], f"{INTEGRATIONS}/types", 0
    while uri:
        page = api("GET", uri).json()
        seen += [one["id"] for one in page["entities"]]
        uri, pages = page.get("nextUri"), pages + 1
    assert len(seen) == len(set(seen)) == page["total"]
    assert (pages, page["pageNumber"], page["pageSize"]) == (page["pageCount"], page["pageCount"], 25)
    assert page["previousUri"].startswith(f"{INTEGRATIONS}/types?")


def test_the_s3_type_is_not_on_the_first_page(api):
    """One page of the largest size does not have it: whoever reads one page only misses it."""
    first = api("GET", f"{INTEGRATIONS}/types?pageSize=100").json()["entities"]
    assert s3_type(api)["id"] not in [one["id"] for one in first]


def test_names_follow_the_seed():
    """Another seed calls the S3 type and its properties otherwise, so that they have to be discovered."""
    found = []
    for seed in (1, 2, 5):
        with running("--seed", str(seed)) as sandbox:
            api = sandbox.api()
            kind = s3_type(api)
            found.append((kind["id"], tuple(api("GET", kind["configPropertiesSchemaUri"]).json()["required"])))
            properties = s3_properties(api, sandbox)
            assert settle(api, create(api, kind["id"], properties)["selfUri"])["code"] == "ACTIVE"
    ids, names = zip(*found, strict=True)
    assert len(set(ids)) == len(set(names)) == 3


@pytest.mark.parametrize("path", ["types/none", "types/none/configschemas/properties", "none", "none/config/current"])
def test_what_does_not_exist_is_not_found(api, path):
    """404 in Genesys's shape."""
    answer = api("GET", f"{INTEGRATIONS}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not.found")


def test_only_two_schemas(api):
    """A type has a schema for properties and one for advanced settings, and no third."""
    uri = s3_type(api)["selfUri"] + "/configschemas/"
    assert [api("GET", uri + name).status_code for name in ("properties", "advanced", "other")] == [200, 200, 404]


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"integrationType": {}}, 400), ({"integrationType": {"id": "none"}}, 404), ({"surprise": 1}, 400)],
)
def test_wrong_creations_are_refused(api, body, status):
    """A type is needed, it has to exist, and unknown fields are no fields; nothing is created."""
    assert api("POST", INTEGRATIONS, body).status_code == status
    assert api("GET", INTEGRATIONS).json()["total"] == 0


@pytest.mark.parametrize("part", ["name", "version", "properties", "advanced", "notes", "credentials"])
def test_a_configuration_is_written_whole(api, part):
    """Each field of a configuration is required, as the official model has it."""
    configuration = create(api, EVENTBRIDGE)["config"]["current"] | {"properties": eventbridge_properties()}
    partial = {name: value for name, value in configuration.items() if name != part}
    refused = api("PUT", configuration["selfUri"], partial)
    assert (refused.status_code, refused.json()["details"][0]["fieldName"]) == (400, part)
    assert api("PUT", configuration["selfUri"], configuration).json()["version"] == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"awsAccountId": "12"}, "properties.awsAccountId"),
        ({"eventFilter": []}, "properties.eventFilter"),
        ({"surprise": 1}, "properties.surprise"),
    ],
)
def test_properties_are_held_to_their_schema(api, change, field):
    """What the type's schema does not allow is 400 invalid.schema, names the field and changes nothing."""
    configuration = create(api, EVENTBRIDGE)["config"]["current"]
    wrong = {**configuration, "properties": eventbridge_properties(**change)}
    refused = api("PUT", configuration["selfUri"], wrong)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid.schema")
    assert [detail["fieldName"] for detail in refused.json()["details"]] == [field]
    assert api("GET", configuration["selfUri"]).json() == configuration


def test_a_stale_version_is_a_conflict(api):
    """Two writers with the same version: the second is 409, and what the first wrote stays."""
    configuration = create(api, EVENTBRIDGE)["config"]["current"] | {"properties": eventbridge_properties()}
    first = api("PUT", configuration["selfUri"], {**configuration, "notes": "first"})
    second = api("PUT", configuration["selfUri"], {**configuration, "notes": "second"})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["message"] == "Version does not match current version."
    assert api("GET", configuration["selfUri"]).json() == first.json()


def test_states_on_the_way_up_and_down(sandbox, api):
    """DISABLED is INACTIVE; enabled it is ACTIVATING, then ACTIVE; disabled DEACTIVATING, then INACTIVE."""
    path = create(api, EVENTBRIDGE, eventbridge_properties())["selfUri"]
    sandbox.control("PUT", "/settings", {"stage_s": 5.0})
    up = api("PATCH", path, {"intendedState": "ENABLED"}).json()
    down = api("PATCH", path, {"intendedState": "DISABLED"}).json()
    assert [one["reportedState"]["code"] for one in (up, down)] == ["ACTIVATING", "DEACTIVATING"]
    assert [one["intendedState"] for one in (up, down)] == ["ENABLED", "DISABLED"]
    sandbox.control("PUT", "/settings", {"stage_s": 0.05})
    assert settle(api, path)["code"] == "ACTIVE"
    assert settle(api, path, "DISABLED")["code"] == "INACTIVE"


def test_stages_are_short_by_default(api):
    """From enabling to ACTIVE it takes well under 5 seconds."""
    started = time.monotonic()
    assert settle(api, create(api, EVENTBRIDGE, eventbridge_properties())["selfUri"])["code"] == "ACTIVE"
    assert time.monotonic() - started < 4


def test_a_configuration_without_properties_ends_in_error(api):
    """What was never configured can be enabled, and reports ERROR with what is missing."""
    state = settle(api, create(api, EVENTBRIDGE)["selfUri"])
    assert state["code"] == "ERROR"
    assert "awsAccountId" in state["detail"]["message"]


@pytest.mark.parametrize(
    ("name", "trust", "action", "says"),
    [
        ("stranger", {**TRUST, "Principal": {"AWS": "arn:aws:iam::999999999999:root"}}, "s3:PutObject", "assume"),
        ("other-id", {**TRUST, "Condition": {"StringEquals": {"sts:ExternalId": "no"}}}, "s3:PutObject", "external id"),
        ("reader", TRUST, "s3:GetObject", "may not write"),
    ],
)
def test_an_unusable_role_ends_in_error(sandbox, api, name, trust, action, says):
    """A role that does not trust Genesys, or not with the org's id, or may not write, is reported in words."""
    properties = s3_properties(api, sandbox, **{ROLE: make_role(sandbox, name, trust, action)})
    state = settle(api, create(api, s3_type(api)["id"], properties)["selfUri"])
    assert state["code"] == "ERROR"
    assert says in state["detail"]["message"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({ROLE: "arn:aws:iam::123456789012:role/none"}, "does not exist"),
        ({"S3 bucket": "no-such-bucket"}, "does not exist"),
        ({"AWS region of the bucket": "eu-central-1"}, "is in us-east-1"),
    ],
)
def test_a_wrong_destination_ends_in_error(sandbox, api, change, says):
    """A role or bucket that does not exist and a wrong region are told; corrected, the integration recovers."""
    made = create(api, s3_type(api)["id"], s3_properties(api, sandbox, **change))
    state = settle(api, made["selfUri"])
    assert state["code"] == "ERROR"
    assert says in state["detail"]["message"]
    configuration = api("GET", made["config"]["current"]["selfUri"]).json()
    right = {**configuration, "properties": s3_properties(api, sandbox)}
    assert api("PUT", configuration["selfUri"], right).status_code == 200
    assert settle(api, made["selfUri"])["code"] == "ACTIVE"


def test_a_role_without_conditions_is_usable(sandbox, api):
    """A trust policy that asks for no external id lets Genesys in, as AWS does."""
    properties = s3_properties(api, sandbox, **{ROLE: make_role(sandbox, "open", TRUST)})
    assert settle(api, create(api, s3_type(api)["id"], properties)["selfUri"])["code"] == "ACTIVE"


def test_filters_of_the_list(api):
    """Ids, type and reported state (in any case) narrow the list; an unknown state is refused."""
    feed, other = create(api, EVENTBRIDGE, eventbridge_properties()), create(api, s3_type(api)["id"])
    settle(api, feed["selfUri"])

    def listed(query):
        return [one["id"] for one in api("GET", f"{INTEGRATIONS}?{query}").json()["entities"]]

    assert listed(f"integrationType={EVENTBRIDGE}") == listed("reportedState=active") == [feed["id"]]
    assert listed(f"ids={other['id']},none") == [other["id"]]
    assert listed("credentialId=none") == []
    assert sorted(listed("")) == sorted([feed["id"], other["id"]])
    assert api("GET", f"{INTEGRATIONS}?reportedState=RUNNING").status_code == 400


@pytest.mark.parametrize("query", ["pageSize=101", "pageSize=0", "pageNumber=0", "pageNumber=x"])
def test_wrong_paging_is_refused(api, query):
    """A page size outside 1 to 100 and a page number below 1 are 400."""
    assert api("GET", f"{INTEGRATIONS}/types?{query}").status_code == 400


def test_a_page_past_the_end_is_empty(api):
    """It says how many there are and leads back, not on."""
    page = api("GET", f"{INTEGRATIONS}/types?pageSize=100&pageNumber=9").json()
    assert (page["entities"], page["pageCount"]) == ([], 2)
    assert "nextUri" not in page
    assert "previousUri" in page


def test_reads_lag_behind_writes(sandbox, api):
    """With a read lag a new integration is 404 at first, then INACTIVE; writes see the present."""
    sandbox.control("PUT", "/settings", {"read_lag_s": 0.5})
    started = time.monotonic()
    made = create(api, EVENTBRIDGE, eventbridge_properties())
    early, listed = api("GET", made["selfUri"]).status_code, made["id"] in api("GET", INTEGRATIONS).text
    if time.monotonic() - started < 0.5:
        assert (early, listed) == (404, False)
    time.sleep(0.6)
    assert api("GET", made["selfUri"]).json()["config"]["current"]["version"] == 2


def test_deleted_is_gone(api):
    """DELETE answers with the integration, then it is 404 for every method."""
    path = create(api, EVENTBRIDGE)["selfUri"]
    assert api("DELETE", path).json()["intendedState"] == "DELETED"
    bodies = {"GET": None, "PATCH": {"name": "x"}, "DELETE": None}
    assert [api(method, path, body).status_code for method, body in bodies.items()] == [404, 404, 404]
