"""Do Genesys's events reach the data lake? Each link of the chain in AWS, asked for and never changed.

event source → bus of the same name → a rule that takes the events → an API destination with the data lake's address →
its connection. A link that AWS does not tell is UNKNOWN; behind one that is missing, nothing is asked.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from opslib.backends.eventbridge import name, source
from opslib.environment import Readiness
from opslib.models import DataLakeWebhook
from opslib.samples import utc_now
from opslib.validator.aws import Aws, Unanswered

_FIX = "run what `opslib check-feed FILE --print aws-cli` prints, or apply the Terraform"
_NO_SOURCE = "apply the onboarding, and compare its AWS account, region and suffix"


class ChangeFeed:
    """The AWS side of one onboarding's feed, by boto3's own credentials."""

    def __init__(self, webhook: DataLakeWebhook, org_id: str) -> None:
        self._webhook, self._bus = webhook, source(webhook, org_id)
        self._aws = Aws(None)

    def check(self) -> list[Readiness]:
        """An answer for each link, in order, as far as the chain goes."""
        found: list[Readiness] = []
        try:
            for one in self._links():
                found.append(one)
                if one.word != "PASS":
                    break
        except Unanswered as refused:
            fix = f"allow {refused.action}" if refused.action else "try again later"
            found.append(Readiness("AWS answers", "UNKNOWN", refused.why, fix))
        finally:
            self._aws.close()
        return found

    def _links(self) -> Iterator[Readiness]:
        there = self._ask("DescribeEventSource", Name=self._bus)
        yield self._link("Genesys's event source is associated", self._source_trouble(there), self._bus, _NO_SOURCE)
        bus = self._ask("DescribeEventBus", Name=self._bus)
        yield self._link("Its event bus is there", "" if bus else "there is none", self._bus)
        rules = list(self._all("ListRules", "Rules", EventBusName=self._bus))
        taking = [rule["Name"] for rule in rules if self._takes_our_events(rule)]
        yield self._link(
            "An enabled rule takes the events",
            "" if taking else f"none of {len(rules)} rules does",
            ", ".join(taking),
        )
        arns = [arn for rule in taking for arn in self._destinations(rule)]
        yield self._link("The rule sends them to an API destination", "" if arns else "it has none", ", ".join(arns))
        described = [self._ask("DescribeApiDestination", Name=arn.split("/")[1]) or {} for arn in arns]
        ours = [one for one in described if one.get("InvocationEndpoint") == self._webhook.url]
        said = ", ".join(str(one.get("InvocationEndpoint")) for one in described)
        yield self._link("The destination is the data lake", "" if ours else f"they go to {said}", self._webhook.url)
        active = [one for one in ours if one.get("ApiDestinationState") == "ACTIVE"]
        yield self._link("The destination is active", "" if active else "it is inactive", name(self._webhook))
        connections = [self._ask("DescribeConnection", Name=one["ConnectionArn"].split("/")[1]) or {} for one in active]
        states = {str(one.get("ConnectionState")) for one in connections}
        trouble = "" if states == {"AUTHORIZED"} else f"its state is {', '.join(sorted(states))}"
        yield self._link("Its connection is authorised", trouble, "AUTHORIZED")

    def _link(self, question: str, trouble: str, found: str, fix: str = _FIX) -> Readiness:
        return Readiness(question, "FAIL", trouble, fix) if trouble else Readiness(question, "PASS", found)

    def _source_trouble(self, there: Mapping[str, Any] | None) -> str:
        if there is None:
            return f"AWS knows no {self._bus}"
        state = there.get("State")
        return "" if state == "ACTIVE" else f"its state is {state}; PENDING waits for its event bus"

    def _takes_our_events(self, rule: Mapping[str, Any]) -> bool:
        """By AWS's own word: would the rule's pattern take an event of this source?"""
        if rule.get("State") != "ENABLED" or not rule.get("EventPattern"):
            return False
        event = {
            "id": "0",
            "detail-type": self._webhook.topics[0],
            "source": self._bus,
            "account": self._webhook.account,
            "time": utc_now(),
            "region": self._webhook.region,
            "resources": [],
            "detail": {},
        }
        told = self._ask("TestEventPattern", EventPattern=rule["EventPattern"], Event=json.dumps(event))
        return bool((told or {}).get("Result"))

    def _destinations(self, rule: str) -> list[str]:
        targets = self._all("ListTargetsByRule", "Targets", Rule=rule, EventBusName=self._bus)
        return [one["Arn"] for one in targets if ":api-destination/" in one["Arn"]]

    def _all(self, call: str, key: str, **params: Any) -> Iterator[Mapping[str, Any]]:
        """From all pages."""
        while True:
            page = self._ask(call, **params) or {}
            yield from page.get(key, [])
            if not page.get("NextToken"):
                return
            params["NextToken"] = page["NextToken"]

    def _ask(self, call: str, **params: Any) -> Mapping[str, Any] | None:
        return self._aws.call(self._webhook.region, call, params).data
