"""Do Genesys's events reach the data lake? Each link of the chain in AWS, asked for and never changed.

event source → bus of the same name → a rule that takes the events → an API destination with the data lake's address →
its connection. Every topic must get through, by one rule or another. A link that AWS does not tell is UNKNOWN; behind
one that is missing, nothing is asked.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from opslib.ledger.moment import utc_now
from opslib.onboarding.models import DataLakeWebhook
from opslib.validator.aws import Aws, Unanswered
from opslib.validator.documents.event_feed import name, source
from opslib.verdict import Readiness

_FIX = "run what `opslib check-feed FILE --print aws-cli` prints, or apply the Terraform"
_NO_SOURCE = "apply the onboarding, and compare its AWS account, region and suffix"


class EventFeed:
    """The AWS side of one onboarding's event feed, by boto3's own credentials."""

    def __init__(self, webhook: DataLakeWebhook, org_id: str) -> None:
        self._webhook, self._bus = webhook, source(webhook, org_id)
        self._aws = Aws(None)

    def check(self) -> list[Readiness]:
        """An answer for each link, in order, as far as the chain goes."""
        links: list[Readiness] = []
        try:
            for link in self._links():
                links.append(link)
                if link.word != "PASS":
                    break
        except Unanswered as refused:
            fix = f"allow {refused.action}" if refused.action else "try again later"
            links.append(Readiness("AWS answers", "UNKNOWN", refused.why, fix))
        except Exception as error:  # noqa: BLE001 (whatever an odd answer makes a link raise)
            why = f"an answer is not as AWS documents it ({type(error).__name__}: {error})"
            links.append(Readiness("AWS answers", "UNKNOWN", why, "check AWS_ENDPOINT_URL and the proxy"))
        finally:
            self._aws.close()
        return links

    def _links(self) -> Iterator[Readiness]:
        event_source = self._ask("DescribeEventSource", Name=self._bus)
        trouble = self._source_trouble(event_source)
        yield self._link("Genesys's event source is associated", trouble, self._bus, _NO_SOURCE)
        bus = self._ask("DescribeEventBus", Name=self._bus)
        yield self._link("Its event bus is there", "" if bus else "there is none", self._bus)
        rules = list(self._all("ListRules", "Rules", EventBusName=self._bus))
        # From here on, what each rule leads to, with the topics that it takes: each topic must have a way to the end.
        ways = [(rule["Name"], taken) for rule in rules if (taken := self._topics_taken(rule))]
        names = ", ".join(rule for rule, _ in ways)
        yield self._link(
            "An enabled rule takes the events", self._lost(ways, f"none of {len(rules)} rules takes"), names
        )
        sent = [(arn, taken) for rule, taken in ways for arn in self._destinations(rule)]
        arns = ", ".join(dict.fromkeys(arn for arn, _ in sent))
        yield self._link("The rule sends them to an API destination", self._lost(sent, "it has none for"), arns)
        destinations = {arn: self._ask("DescribeApiDestination", Name=arn.split("/")[1]) or {} for arn, _ in sent}
        addresses = {arn: destination.get("InvocationEndpoint") for arn, destination in destinations.items()}
        ours = [(destinations[arn], taken) for arn, taken in sent if addresses[arn] == self._webhook.url]
        others = ", ".join(sorted({str(address) for address in addresses.values()} - {self._webhook.url}))
        yield self._link(
            "The destination is the data lake", self._lost(ours, f"they go to {others}:"), self._webhook.url
        )
        active = [
            (destination, taken) for destination, taken in ours if destination.get("ApiDestinationState") == "ACTIVE"
        ]
        yield self._link("The destination is active", self._lost(active, "it is inactive for"), name(self._webhook))
        states = {
            arn: str((self._ask("DescribeConnection", Name=arn.split("/")[1]) or {}).get("ConnectionState"))
            for arn in dict.fromkeys(destination["ConnectionArn"] for destination, _ in active)
        }
        authorised = [way for way in active if states[way[0]["ConnectionArn"]] == "AUTHORIZED"]
        why = f"its state is {', '.join(sorted(set(states.values())))} for"
        yield self._link("Its connection is authorised", self._lost(authorised, why), "AUTHORIZED")

    def _lost(self, ways: Sequence[tuple[Any, Collection[str]]], why: str) -> str:
        """What is wrong when a topic has none of these ways; empty when each has one."""
        lost = [topic for topic in self._webhook.topics if not any(topic in taken for _, taken in ways)]
        return f"{why} {', '.join(lost)}" if lost else ""

    def _link(self, question: str, trouble: str, found: str, fix: str = _FIX) -> Readiness:
        return Readiness(question, "FAIL", trouble, fix) if trouble else Readiness(question, "PASS", found)

    def _source_trouble(self, event_source: Mapping[str, Any] | None) -> str:
        if event_source is None:
            return f"AWS knows no {self._bus}"
        state = event_source.get("State")
        return "" if state == "ACTIVE" else f"its state is {state}; PENDING waits for its event bus"

    def _topics_taken(self, rule: Mapping[str, Any]) -> list[str]:
        """By AWS's own word: the topics of which the rule's pattern would take an event of this source."""
        if rule.get("State") != "ENABLED" or not rule.get("EventPattern"):
            return []
        return [topic for topic in self._webhook.topics if self._takes(rule["EventPattern"], topic)]

    def _takes(self, pattern: str, topic: str) -> bool:
        event = {
            "id": "0",
            "detail-type": topic,
            "source": self._bus,
            "account": self._webhook.account,
            "time": utc_now(),
            "region": self._webhook.region,
            "resources": [],
            "detail": {},
        }
        answer = self._ask("TestEventPattern", EventPattern=pattern, Event=json.dumps(event))
        return bool((answer or {}).get("Result"))

    def _destinations(self, rule: str) -> list[str]:
        targets = self._all("ListTargetsByRule", "Targets", Rule=rule, EventBusName=self._bus)
        return [target["Arn"] for target in targets if ":api-destination/" in target["Arn"]]

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
