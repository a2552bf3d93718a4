"""The API's fields in people's words, for both backends: `retentionPeriodDays: 365` is “delete after 365 days”.

A field that has no words here is shown by its path.
"""

import re
from typing import Any

_LABELS = {
    "accessKeyId": "AWS access key: ",
    "alwaysDelete": "delete even what another policy keeps: ",
    "authentication.type": "authentication: ",
    "awsAccountId": "to AWS account: ",
    "awsAccountRegion": "in AWS region: ",
    "awsRegion": "AWS region: ",
    "bucket": "bucket: ",
    "credentials": "credentials: ",
    "dateRanges": "only within: ",
    "deleteRecording": "delete at once: ",
    "description": "description: ",
    "directions": "only calls that are: ",
    "enabled": "switched on: ",
    "eventFilter": "events: ",
    "eventSourceSuffix": "name of the event source ends with: ",
    "events": "events: ",
    "externalId": "external id of the role: ",
    "forQueues": "only queues: ",
    "forUsers": "only users: ",
    "integrationExport.integration.name": "export to target: ",
    "integrationExport.shouldExportScreenRecordings": "export screen recordings: ",
    "integrationType.id": "type of integration: ",
    "intendedState": "state: ",
    "name": "name: ",
    "notes": "notes: ",
    "pathPrefix": "folder: ",
    "recordingTypes": "recordings of: ",
    "region": "AWS region: ",
    "retainRecording": "keep recordings: ",
    "retentionDuration.deleteRetention.days": "delete after ",
    "retentionPeriodDays": "delete after ",
    "roleArn": "AWS role: ",
    "s3Bucket": "bucket: ",
    "secretAccessKey": "AWS secret key: ",
    "serverSideEncryption": "encryption: ",
    "storageTargetId": "store in target: ",
    "targetUrl": "send to: ",
    "teams": "only teams: ",
    "type": "kind of storage: ",
    "wrapupCodes": "only wrap-up codes: ",
}
_MEDIA = {"callPolicy": "voice", "chatPolicy": "chat", "emailPolicy": "email", "messagePolicy": "message"}
_YES_NO = {"true": "yes", "false": "no"}
_DAYS = ("retentionPeriodDays", "retentionDuration.deleteRetention.days")
_FOLDERS = re.compile(r"(configuration|properties|mediaPolicies\.(?P<medium>\w+)\.(actions|conditions))\.")


def label(path: str) -> str:
    """What stands before a field's value."""
    medium, field = _split(path)
    known = _LABELS.get(field)
    if known is None:
        return f"{path}: "
    return f"{_MEDIA.get(medium, medium)}: {known}" if medium else known


def title(path: str) -> str:
    """A field's name at the head of a row; its path where it has no words."""
    words = label(path).rstrip(": ")
    return words[0].upper() + words[1:] if _split(path)[1] in _LABELS else words


def in_words(path: str, value: Any) -> Any:
    """The value as people say it; as it is where that needs no words."""
    if isinstance(value, list):  # as Genesys's audit has every value, in texts
        return [in_words(path, one) for one in value]
    if _split(path)[1] in _DAYS and str(value).isdecimal():
        return f"{value} day" if str(value) == "1" else f"{value} days"
    return _YES_NO.get(value, value) if isinstance(value, str) else value


def _split(path: str) -> tuple[str, str]:
    """The medium, or nothing, and the field without the folders that it stands in."""
    folder = _FOLDERS.match(path)
    return (folder["medium"] or "", path[folder.end() :]) if folder else ("", path)
