"""The AWS side of the change feed: what is printed is what AWS takes, and each broken link is named.

moto cannot make a rule on a partner's bus, so AWS's answers come from botocore's Stubber, which holds them and the
parameters against the service's model.
"""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto.events.models import EventPattern

from opslib.cli.event_feed import check_feed
from opslib.onboarding.models import DataLakeWebhook
from opslib.validator.aws_calls import CALLS
from opslib.validator.documents import event_feed
from opslib.validator.event_feed import EventFeed

URL = "https://datalake.example.com/ingest/a=1&b=$(id)'${x}"
ORG = "6513270e-269e-4d37-b2a7-4de452e6b438"
FEED = DataLakeWebhook(url=URL, account="123456789012", region="eu-central-1", suffix="prod")
BUS = f"aws.partner/genesys.com/cloud/{ORG}/prod"
ARN = "arn:aws:events:eu-central-1:123456789012"
LINKS = (
    "Genesys's event source is associated",
    "Its event bus is there",
    "An enabled rule takes the events",
    "The rule sends them to an API destination",
    "The destination is the data lake",
    "The destination is active",
    "Its connection is authorised",
)


def rule_of(pattern: dict[str, Any], name: str = "r") -> dict[str, Any]:
    """An enabled rule with this pattern."""
    return {"Name": name, "State": "ENABLED", "EventPattern": json.dumps(pattern)}


def targets_of(*destinations: str) -> dict[str, Any]:
    """A rule's targets: these API destinations."""
    return {"Targets": [{"Id": one, "Arn": f"{ARN}:api-destination/{one}/x"} for one in destinations]}


NO_DESTINATION = {"Targets": [{"Id": "1", "Arn": "arn:aws:lambda:eu-central-1:1:function:f"}]}


class Events:
    """AWS's EventBridge with a whole chain, of which answers can be replaced by others, by a list of others one after
    another, or by an error's code. What a pattern takes is not told but decided, by moto."""

    def __init__(self, **answers: Any) -> None:
        rule = rule_of({"source": [BUS]})
        whole: dict[str, Any] = {
            "describe_event_source": {"Name": BUS, "State": "ACTIVE"},
            "describe_event_bus": {"Name": BUS},
            "list_rules": {"Rules": [rule]},
            "list_targets_by_rule": targets_of("genesys-prod"),
            "describe_api_destination": {
                "InvocationEndpoint": URL,
                "ApiDestinationState": "ACTIVE",
                "ConnectionArn": f"{ARN}:connection/genesys-prod/y",
            },
            "describe_connection": {"ConnectionState": "AUTHORIZED"},
        }
        self.client = _client()
        self.client.test_event_pattern = _decided
        stubber = Stubber(self.client)
        for method, answer in {**whole, **answers}.items():
            if isinstance(answer, str):
                stubber.add_client_error(method, answer)
                break
            for one in answer if isinstance(answer, list) else [answer]:
                stubber.add_response(method, one)
        stubber.activate()


def _client() -> Any:
    return boto3.client("events", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")


def _decided(**asked: str) -> dict[str, Any]:
    """The answer to TestEventPattern, held against the service's model as the other answers are."""
    client, pattern = _client(), EventPattern.load(asked["EventPattern"])
    with Stubber(client) as stubber:
        stubber.add_response("test_event_pattern", {"Result": pattern.matches_event(json.loads(asked["Event"]))})
        answer: dict[str, Any] = client.test_event_pattern(**asked)
    return answer


def checked(monkeypatch: pytest.MonkeyPatch, feed: DataLakeWebhook = FEED, **answers: Any) -> dict[str, str]:
    monkeypatch.setattr("opslib.validator.aws._make_client", lambda *_: Events(**answers).client)
    return {row.question: row.word for row in EventFeed(feed, ORG).check()}


def test_a_whole_chain_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every link, in order."""
    assert checked(monkeypatch) == dict.fromkeys(LINKS, "PASS")


@pytest.mark.parametrize(
    ("link", "answers"),
    [
        (0, {"describe_event_source": "ResourceNotFoundException"}),
        (0, {"describe_event_source": {"Name": BUS, "State": "PENDING"}}),
        (1, {"describe_event_bus": "ResourceNotFoundException"}),
        (2, {"list_rules": {"Rules": []}}),
        (2, {"list_rules": {"Rules": [{"Name": "r", "State": "DISABLED", "EventPattern": "{}"}]}}),
        (2, {"list_rules": {"Rules": [rule_of({"source": ["aws.partner/genesys.com/cloud/other/prod"]})]}}),
        (2, {"list_rules": {"Rules": [rule_of({"detail-type": ["v2.another.topic"]})]}}),
        (3, {"list_targets_by_rule": NO_DESTINATION}),
        (4, {"describe_api_destination": {"InvocationEndpoint": "https://elsewhere.example.com"}}),
        (5, {"describe_api_destination": {"InvocationEndpoint": URL, "ApiDestinationState": "INACTIVE"}}),
        (6, {"describe_connection": {"ConnectionState": "DEAUTHORIZED"}}),
    ],
)
def test_the_first_broken_link_is_named(monkeypatch: pytest.MonkeyPatch, link: int, answers: dict[str, Any]) -> None:
    """It fails, those before it pass, and nothing is said of those behind it."""
    found = checked(monkeypatch, **answers)
    assert found == {**dict.fromkeys(LINKS[:link], "PASS"), LINKS[link]: "FAIL"}


ONE, TWO = "v2.audits.entitytype.{id}.entityid.{id}", "v2.detail.events.conversation.{id}.acd.start"
TAKES_ONE, TAKES_TWO = (rule_of({"source": [BUS], "detail-type": [topic]}, topic) for topic in (ONE, TWO))
BOTH = {"Rules": [TAKES_ONE, TAKES_TWO]}
OURS, ELSEWHERE, IDLE = (
    {"InvocationEndpoint": url, "ApiDestinationState": state, "ConnectionArn": f"{ARN}:connection/{state}/y"}
    for url, state in ((URL, "ACTIVE"), ("https://elsewhere.example.com", "ACTIVE"), (URL, "INACTIVE"))
)
OURS_TOO = OURS | {"ConnectionArn": f"{ARN}:connection/too/y"}
BY_BOTH = {"list_rules": BOTH, "list_targets_by_rule": [targets_of("a"), targets_of("b")]}
AUTHORIZED, NOT = {"ConnectionState": "AUTHORIZED"}, {"ConnectionState": "DEAUTHORIZED"}


@pytest.mark.parametrize(
    ("broken", "answers"),
    [
        (None, {}),
        (None, {"list_rules": {"Rules": [rule_of({"source": [BUS], "detail-type": [ONE, TWO]})]}}),
        (None, BY_BOTH | {"describe_api_destination": [OURS, OURS]}),
        (2, {"list_rules": {"Rules": [TAKES_ONE]}}),
        (2, {"list_rules": {"Rules": [TAKES_TWO]}}),
        (3, {"list_rules": BOTH, "list_targets_by_rule": [targets_of("a"), NO_DESTINATION]}),
        (4, BY_BOTH | {"describe_api_destination": [OURS, ELSEWHERE]}),
        (5, BY_BOTH | {"describe_api_destination": [OURS, IDLE]}),
        (6, BY_BOTH | {"describe_api_destination": [OURS, OURS_TOO], "describe_connection": [AUTHORIZED, NOT]}),
    ],
)
def test_every_topic_must_get_through(
    monkeypatch: pytest.MonkeyPatch, broken: int | None, answers: dict[str, Any]
) -> None:
    """By one rule or by several: the first link at which a topic is lost fails."""
    found = checked(monkeypatch, FEED.model_copy(update={"topics": (ONE, TWO)}), **answers)
    whole = dict.fromkeys(LINKS[:broken], "PASS")
    assert found == (whole if broken is None else whole | {LINKS[broken]: "FAIL"})


@pytest.mark.parametrize("call", ["describe_event_source", "list_rules", "describe_connection"])
def test_a_refusal_is_unknown(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """And the action that is missing is named; it is neither PASS nor FAIL."""
    monkeypatch.setattr(
        "opslib.validator.aws._make_client", lambda *_: Events(**{call: "AccessDeniedException"}).client
    )
    *before, last = EventFeed(FEED, ORG).check()
    assert {row.word for row in before} <= {"PASS"}
    (action,) = [one.action for one in CALLS.values() if one.method == call]
    assert (last.word, last.fix) == ("UNKNOWN", f"allow {action}")


def _calls() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each command as service, operation and options, as a shell would hand them to the AWS CLI."""
    for line in event_feed.commands(FEED, ORG).splitlines():
        if line.startswith("#"):
            continue
        # A shell runs what is in $(…) only outside single quotes.
        outside = re.sub(r"'[^']*'", "", line)
        assert outside.count("$(") == line.count('"$(aws ')
        program, service, operation, *options = shlex.split(line)
        assert program == "aws"
        yield service, operation, dict(zip(options[::2], options[1::2], strict=True))


def test_the_commands_are_those_that_aws_knows() -> None:
    """Operation and every option are in the service's model, required ones are there, and documents are JSON."""
    for service, operation, options in _calls():
        model = boto3.client(service, region_name="eu-central-1").meta.service_model
        shape = model.operation_model("".join(word.capitalize() for word in operation.split("-"))).input_shape
        named = {"-".join(re.findall("[A-Z][a-z]+", member)).lower(): member for member in shape.members}
        sent = {named[option[2:]] for option in options if option != "--region"}
        assert set(shape.required_members) <= sent
        for option, value in options.items():
            if option.endswith(("-document", "-pattern")):
                assert json.loads(value)
            if option == "--invocation-endpoint":
                assert value == URL
    assert len(list(_calls())) == 7


def test_the_terraform_says_the_same() -> None:
    """A hostile address stays text, documents are JSON in it, and no key is in it."""
    text = event_feed.terraform(FEED, ORG)
    strings = [json.loads(one) for one in re.findall(r'= ("(?:[^"\\]|\\.)*")', text)]
    assert URL.replace("${", "$${") in strings
    assert strings.count(BUS) == 2
    assert {"source": [BUS]} in [json.loads(one) for one in strings if one.startswith("{")]
    assert not re.search(r'"(BUS|CALLED|REGION|URL|TRUST|SEND|PATTERN)"', text)
    assert text.count("{") == text.count("}")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 only when every link holds; --json has them all."""
    file = tmp_path / "platform.yaml"
    role = '{role_arn: "arn:aws:iam::123456789012:role/R", external_id: abc}'
    file.write_text(f"""\
backend: platform
target: {{name: T, bucket: my-bucket, region: us-east-1, retention_days: 365, credentials: {role}}}
policy: {{name: P, retention_days: 365, conditions: {{directions: [INBOUND]}}}}
webhook: {{url: {json.dumps(URL)}, account: "123456789012", region: eu-central-1, suffix: prod}}
""")
    monkeypatch.setattr("opslib.validator.aws._make_client", lambda *_: Events().client)
    assert check_feed.callback(file, ORG, document=None, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["source"], [one["word"] for one in found["links"]]) == (BUS, ["PASS"] * 7)
    refused = Events(describe_event_bus="ThrottlingException")
    monkeypatch.setattr("opslib.validator.aws._make_client", lambda *_: refused.client)
    assert check_feed.callback(file, ORG, document=None, as_json=False) == 1
    assert "UNKNOWN  AWS answers" in capsys.readouterr().out
