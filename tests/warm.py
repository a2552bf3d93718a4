"""What a process of `forks.py` has imported and read before it is forked."""

from opslib.cli import app, bucket, event_feed, evidence, onboard, org  # noqa: F401
from opslib.credentials import AwsKeys
from opslib.validator.aws import Service, _make_client

_SERVICES: tuple[Service, ...] = ("s3", "s3control", "iam", "sts")
_NOBODY = AwsKeys.model_validate({"access_key_id": "AKIAEXAMPLE000000000", "secret_access_key": "x" * 40})

# botocore's files on a service: to read them takes longer than all that a test asks.
for _service in _SERVICES:
    for _keys in (None, _NOBODY):
        _make_client(_service, "us-east-1", _keys)
