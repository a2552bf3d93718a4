"""What a process of `forks.py` has imported and read before it is forked. What the environment decides is not in it."""

import gc

import anyio._backends._asyncio  # noqa: F401
import cryptography.hazmat.primitives.asymmetric.ed25519
import cryptography.hazmat.primitives.serialization  # noqa: F401
import httpx

from opslib.cli import app, bucket, event_feed, evidence, onboard, org  # noqa: F401
from opslib.credentials import AwsKeys
from opslib.genesys.transport import tls_context
from opslib.onboarding.values import aws_regions, partition_of
from opslib.validator.aws import Service, _make_client

_SERVICES: tuple[Service, ...] = ("s3", "s3control", "iam", "sts")
_NOBODY = AwsKeys.model_validate({"access_key_id": "AKIAEXAMPLE000000000", "secret_access_key": "x" * 40})

# botocore's files on a service: to read them takes longer than all that a test asks.
for _service in _SERVICES:
    for _keys in (None, _NOBODY):
        _make_client(_service, "us-east-1", _keys)
aws_regions()
partition_of("us-east-1")
httpx.AsyncHTTPTransport(verify=tls_context())

# Else each process's first collection would copy every page that it looks at.
gc.collect()
gc.freeze()
