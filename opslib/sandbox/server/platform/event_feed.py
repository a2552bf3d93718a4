"""Changes, sent along the EventBridge integrations into the data lake.

On a live org Genesys puts an event on a partner event bus, and the AWS account's own rule and API
destination carry it on. Here one POST to the sandbox's data lake stands in for that AWS side.
"""

import re
import uuid
from collections.abc import Iterable
from typing import Any

from opslib.sandbox.server.deliveries import Deliveries
from opslib.sandbox.server.platform.audit_log import Entry
from opslib.sandbox.server.platform.integration import Integration
from opslib.sandbox.server.platform.integration_types import EVENTBRIDGE
from opslib.sandbox.server.world import utc

AUDIT_TOPIC = "v2.audits.entitytype.{id}.entityid.{id}"
"""The topic of every audited change, as it stands in an integration's eventFilter and in `detail-type`."""


class EventFeed:
    """The bus, its rule and its destination, for every EventBridge integration of the org."""

    def __init__(self, deliveries: Deliveries, datalake_url: str) -> None:
        self._deliveries = deliveries
        self._destination = f"{datalake_url}/eventbridge"

    def send(self, entry: Entry, sources: Iterable[Integration]) -> None:
        """Start a delivery along each active EventBridge source whose topic filter has this entry; returns at once."""
        topic = f"v2.audits.entitytype.{entry.kind.entity_type}.entityid.{entry.entity_id}"
        for source in sources:
            active = source.type.id == EVENTBRIDGE and source.state(0) == "ACTIVE"
            if active and any(_covers(pattern, topic) for pattern in source.properties["eventFilter"]):
                self._deliveries.send(source.id, self._destination, _envelope(entry, topic, source.properties))


def _covers(pattern: str, topic: str) -> bool:
    """`{id}` in a filter stands for any one part of a topic."""
    return re.fullmatch(re.escape(pattern).replace(re.escape("{id}"), "[^.]+"), topic) is not None


def _envelope(entry: Entry, topic: str, properties: dict[str, Any]) -> dict[str, Any]:
    """As EventBridge hands it to a target; `eventBody` is the audit entry in its topic form."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": AUDIT_TOPIC,
        "source": f"aws.partner/genesys.com/cloud/{entry.org_id}/{properties['eventSourceSuffix']}",
        "account": properties["awsAccountId"],
        "time": entry.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": properties["awsAccountRegion"],
        "resources": [],
        "detail": {
            "topicName": topic,
            "version": "2",
            "eventBody": {
                "id": entry.id,
                "userHomeOrgId": entry.org_id,
                "clientId": {"id": entry.client_id},
                "serviceName": entry.kind.service,
                "eventTime": utc(entry.at),
                "action": entry.action,
                "entityType": entry.kind.entity_type,
                "entity": {"id": entry.entity_id, "name": entry.entity_name},
                "propertyChanges": entry.property_changes(),
            },
            "metadata": {"CorrelationId": entry.correlation_id},
            "timestamp": utc(entry.at),
        },
    }
