"""The oracle finds what the SDK has, and misses nothing that a mistake would look like."""

import pytest

from . import oracle

POLICIES = "/api/v2/recording/mediaretentionpolicies"


def test_it_has_read_the_whole_sdk():
    """Every request in the SDK's source is an operation here; 269.0.0 has 3508 on 2288 paths, none since fewer."""
    sources = [file.read_text() for file in oracle.folder("apis").glob("*.py")]
    assert len(oracle.operations()) == sum(source.count("self.api_client.call_api(") for source in sources) >= 3508
    assert len(oracle.paths()) >= 2288


def test_the_storage_targets_paths_are_not_published():
    """None of the contract's three resources is among the published paths."""
    for path in ("/api/v2/recording/storage/targets/x", "/api/v2/recording/policies/x", "/api/v2/webhooks/x"):
        with pytest.raises(KeyError, match="no PUT"):
            oracle.operation("PUT", path)


def test_an_operation_is_found_by_a_filled_in_path():
    """A path with an id finds its template, and a literal segment wins over a parameter."""
    assert oracle.operation("PATCH", f"{POLICIES}/4711").path == f"{POLICIES}/{{policyId}}"
    assert oracle.operation("GET", "/api/v2/integrations/types").path == "/api/v2/integrations/types"
    update = oracle.operation("PATCH", f"{POLICIES}/4711")
    assert (update.body, update.answer, update.query) == ("PolicyUpdate", "Policy", frozenset())
    assert "deleteDaysThreshold" in oracle.operation("GET", POLICIES).query


def test_fields_types_and_enums_of_a_model():
    """Names are those on the wire; an enum comes from the setter, a list's from the table."""
    assert oracle.model("TokenInfo")["OAuthClient"].type == "OrgOAuthClient"
    assert oracle.model("Integration")["intendedState"].allowed == ["ENABLED", "DISABLED", "DELETED", "RESTORED"]
    assert oracle.model("CallMediaPolicyConditions")["directions"].allowed == ["INBOUND", "OUTBOUND"]
    assert oracle.model("Policy")["name"].allowed is None
    with pytest.raises(KeyError):
        oracle.model("StorageTarget")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"name": "P", "enabled": False}, []),
        ({"name": None}, []),
        ({"nom": "P"}, ["body.nom: PolicyCreate has no such field"]),
        ({"enabled": "yes"}, ["body.enabled: bool was expected"]),
        ({"order": True}, ["body.order: int was expected"]),
        ({"conditions": []}, ["body.conditions: PolicyConditions was expected"]),
        ({"conditions": {"forQueues": {"id": "q"}}}, ["body.conditions.forQueues: list[Queue] was expected"]),
        ({"conditions": {"forQueues": [{"ID": "q"}]}}, ["body.conditions.forQueues[0].ID: Queue has no such field"]),
        ({"conditions": {"directions": ["UP"]}}, ["body.conditions.directions[0]: UP is none of INBOUND, OUTBOUND"]),
        (
            {"actions": {"retentionDuration": {"archiveRetention": {"storageMedium": "GLACIER"}}}},
            ["body.actions.retentionDuration.archiveRetention.storageMedium: GLACIER is none of CLOUDARCHIVE"],
        ),
    ],
)
def test_problems_of_a_body(body, wrong):
    """Each unknown field, wrong type and unknown value is named by its path; null is always allowed."""
    assert oracle.request_problems("POST", POLICIES, {}, body) == wrong


def test_problems_of_a_query_and_of_a_body_too_many():
    """A query name that the method does not take and a body where none belongs are problems."""
    assert oracle.request_problems("GET", POLICIES, {"pageToken": "x"}) == [
        f"query: pageToken is not a parameter of GET {POLICIES}"
    ]
    assert oracle.request_problems("DELETE", POLICIES, {"ids": "a"}, {"ids": ["a"]}) == ["body: nothing was expected"]
