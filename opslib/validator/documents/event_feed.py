"""The AWS side of the event feed: what carries Genesys's events from its event source to the data lake.

Text for the owner of the AWS account to run or to apply; nothing here calls AWS. EventBridge reaches an address through
an API destination, which sends with the key of a connection.
"""

import json
import shlex
from string import Template
from typing import Any

from opslib.onboarding.models import DataLakeWebhook
from opslib.onboarding.values import partition_of

# Where the key for the data lake belongs; opslib never sees it.
KEY = "YOUR-DATA-LAKE-KEY"


def source(webhook: DataLakeWebhook, org_id: str) -> str:
    """The partner event source that Genesys makes, and the name of the bus that is associated with it."""
    return f"aws.partner/genesys.com/cloud/{org_id}/{webhook.suffix}"


def name(webhook: DataLakeWebhook) -> str:
    """What rule, connection, API destination and role are called."""
    return f"genesys-{webhook.suffix}"


def pattern(webhook: DataLakeWebhook, org_id: str) -> dict[str, Any]:
    """Every event of the source: Genesys's own topic filter has chosen already."""
    return {"source": [source(webhook, org_id)]}


def commands(webhook: DataLakeWebhook, org_id: str) -> str:
    """AWS CLI commands, one a line, in the order in which they work."""
    bus, called = source(webhook, org_id), name(webhook)
    place = ("--region", webhook.region)
    connection, destination = (
        f'"$(aws events describe-{kind} --region {webhook.region} --name {called} --query {wanted} --output text)"'
        for kind, wanted in (("connection", "ConnectionArn"), ("api-destination", "ApiDestinationArn"))
    )
    key = f"ApiKeyAuthParameters={{ApiKeyName=Authorization,ApiKeyValue={KEY}}}"
    send = ("--invocation-endpoint", webhook.url, "--http-method", "POST")
    role = ("--role-name", called)
    on_bus = ("--rule", called, "--event-bus-name", bus)
    return "\n".join(
        [
            f"# Once Genesys's integration “{webhook.name}” is active. {KEY} is yours to fill in.",
            _aws("events create-event-bus", *place, "--name", bus, "--event-source-name", bus),
            _aws(
                "events create-connection",
                *(*place, "--name", called, "--authorization-type", "API_KEY", "--auth-parameters", key),
            ),
            f"{_aws('events create-api-destination', *place, '--name', called, *send)} --connection-arn {connection}",
            _aws("iam create-role", *role, "--assume-role-policy-document", json.dumps(_trust(webhook))),
            _aws(
                "iam put-role-policy", *role, "--policy-name", "send", "--policy-document", json.dumps(_send(webhook))
            ),
            _aws(
                "events put-rule",
                *(*place, "--name", called, "--event-bus-name", bus),
                *("--event-pattern", json.dumps(pattern(webhook, org_id))),
            ),
            f"{_aws('events put-targets', *place, *on_bus)} "
            f"--targets Id=data-lake,RoleArn={_role_arn(webhook)},Arn={destination}",
        ]
    )


def terraform(webhook: DataLakeWebhook, org_id: str) -> str:
    """The same as Terraform; the key for the data lake is a variable."""
    values = {
        "BUS": source(webhook, org_id),
        "CALLED": name(webhook),
        "REGION": webhook.region,
        "URL": webhook.url,
        "TRUST": json.dumps(_trust(webhook)),
        "SEND": json.dumps(_send(webhook)),
        "PATTERN": json.dumps(pattern(webhook, org_id)),
    }
    return _TERRAFORM.substitute({name: _quoted(value) for name, value in values.items()})


def _quoted(value: str) -> str:
    """As a literal of Terraform: nothing in it is a template of Terraform's."""
    return json.dumps(value).replace("${", "$${").replace("%{", "%%{")


_TERRAFORM = Template("""\
# Once Genesys's integration is active, its partner event source is there to be associated.
provider "aws" {
  region = $REGION
}

variable "data_lake_key" {
  type      = string
  sensitive = true
}

resource "aws_cloudwatch_event_bus" "genesys" {
  name              = $BUS
  event_source_name = $BUS
}

resource "aws_cloudwatch_event_connection" "data_lake" {
  name               = $CALLED
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "Authorization"
      value = var.data_lake_key
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "data_lake" {
  name                = $CALLED
  connection_arn      = aws_cloudwatch_event_connection.data_lake.arn
  invocation_endpoint = $URL
  http_method         = "POST"
}

resource "aws_iam_role" "genesys_feed" {
  name               = $CALLED
  assume_role_policy = $TRUST
}

resource "aws_iam_role_policy" "genesys_feed" {
  name   = "send"
  role   = aws_iam_role.genesys_feed.id
  policy = $SEND
}

resource "aws_cloudwatch_event_rule" "genesys" {
  name           = $CALLED
  event_bus_name = aws_cloudwatch_event_bus.genesys.name
  event_pattern  = $PATTERN
}

resource "aws_cloudwatch_event_target" "data_lake" {
  rule           = aws_cloudwatch_event_rule.genesys.name
  event_bus_name = aws_cloudwatch_event_bus.genesys.name
  arn            = aws_cloudwatch_event_api_destination.data_lake.arn
  role_arn       = aws_iam_role.genesys_feed.arn
}
""")


def _aws(command: str, *words: str) -> str:
    return " ".join(["aws", command, *map(shlex.quote, words)])


def _trust(webhook: DataLakeWebhook) -> dict[str, Any]:
    here = {"StringEquals": {"aws:SourceAccount": webhook.account}}
    principal = {"Service": "events.amazonaws.com"}
    return _document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": here})


def _send(webhook: DataLakeWebhook) -> dict[str, Any]:
    events = f"arn:{partition_of(webhook.region)}:events:{webhook.region}:{webhook.account}"
    where = f"{events}:api-destination/{name(webhook)}/*"
    return _document({"Effect": "Allow", "Action": "events:InvokeApiDestination", "Resource": where})


def _role_arn(webhook: DataLakeWebhook) -> str:
    return f"arn:{partition_of(webhook.region)}:iam::{webhook.account}:role/{name(webhook)}"


def _document(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}
