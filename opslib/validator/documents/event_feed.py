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


def source(webhook: DataLakeWebhook, org_id: str) -> str:
    """The partner event source that Genesys makes, and the name of the bus that is associated with it."""
    return f"aws.partner/genesys.com/cloud/{org_id}/{webhook.suffix}"


def name(webhook: DataLakeWebhook) -> str:
    """What rule, connection, API destination and role are called."""
    return f"genesys-{webhook.suffix}"


def commands(webhook: DataLakeWebhook, org_id: str) -> str:
    """AWS CLI commands, one a line, in the order in which they work."""
    values = {key: shlex.quote(value) for key, value in _values(webhook, org_id).items()}
    return _COMMANDS.substitute(values, TITLE=webhook.name)


def terraform(webhook: DataLakeWebhook, org_id: str) -> str:
    """The same as Terraform; the key for the data lake is a variable."""
    return _TERRAFORM.substitute({key: _quoted(value) for key, value in _values(webhook, org_id).items()})


def _values(webhook: DataLakeWebhook, org_id: str) -> dict[str, str]:
    """What both documents are filled with, not quoted yet. The pattern takes every event of the source: Genesys's own
    topic filter has chosen already."""
    bus, called = source(webhook, org_id), name(webhook)
    partition, account = partition_of(webhook.region), webhook.account
    destinations = f"arn:{partition}:events:{webhook.region}:{account}:api-destination/{called}/*"
    trust = {
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return {
        "BUS": bus,
        "CALLED": called,
        "REGION": webhook.region,
        "URL": webhook.url,
        "ROLE": f"arn:{partition}:iam::{account}:role/{called}",
        "TRUST": _allow(trust),
        "SEND": _allow({"Action": "events:InvokeApiDestination", "Resource": destinations}),
        "PATTERN": json.dumps({"source": [bus]}),
    }


def _allow(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _quoted(value: str) -> str:
    """As a literal of Terraform: nothing in it is a template of Terraform's."""
    return json.dumps(value).replace("${", "$${").replace("%{", "%%{")


# YOUR-DATA-LAKE-KEY is where the key for the data lake belongs; opslib never sees it.
_COMMANDS = Template("""\
# Once Genesys's integration “$TITLE” is active. YOUR-DATA-LAKE-KEY is yours to fill in.
aws events create-event-bus --region $REGION --name $BUS --event-source-name $BUS
aws events create-connection --region $REGION --name $CALLED --authorization-type API_KEY --auth-parameters \
'ApiKeyAuthParameters={ApiKeyName=Authorization,ApiKeyValue=YOUR-DATA-LAKE-KEY}'
aws events create-api-destination --region $REGION --name $CALLED --invocation-endpoint $URL --http-method POST \
--connection-arn "$$(aws events describe-connection --region $REGION --name $CALLED \
--query ConnectionArn --output text)"
aws iam create-role --role-name $CALLED --assume-role-policy-document $TRUST
aws iam put-role-policy --role-name $CALLED --policy-name send --policy-document $SEND
aws events put-rule --region $REGION --name $CALLED --event-bus-name $BUS --event-pattern $PATTERN
aws events put-targets --region $REGION --rule $CALLED --event-bus-name $BUS --targets Id=data-lake,RoleArn=$ROLE,\
Arn="$$(aws events describe-api-destination --region $REGION --name $CALLED --query ApiDestinationArn --output text)"\
""")

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
