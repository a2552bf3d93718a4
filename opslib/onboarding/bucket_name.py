"""What can be the name of an S3 bucket that Genesys writes to, and what the names are that cannot.

The rules are those of docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; the endings are reserved
there for other things than general purpose buckets.
"""

import re

_RULE = "not an S3 bucket name (3 to 63 lower-case letters, digits, '.' or '-')"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP = re.compile(r"\d+\.\d+\.\d+\.\d+")

_ACCESS_POINT = "give the name of the bucket that it leads to"
_RESERVED_ENDINGS = {
    "--x-s3": "a directory bucket (S3 Express One Zone), which has none of the settings that recordings need; give a "
    "general purpose bucket",
    "--xa-s3": "an access point of a directory bucket; give a general purpose bucket",
    "-s3alias": f"the alias of an access point; {_ACCESS_POINT}",
    "--ol-s3": f"the alias of an Object Lambda access point; {_ACCESS_POINT}",
    "--op-s3": f"the alias of an access point on Outposts; {_ACCESS_POINT}",
    ".mrap": f"the alias of a Multi-Region Access Point; {_ACCESS_POINT}",
    "--table-s3": "a table bucket (S3 Tables), which holds tables and not objects; give a general purpose bucket",
}
_RESERVED_BEGINNINGS = ("xn--", "sthree-", "amzn-s3-demo-")


def bucket_name(value: str) -> str:
    """The name, if a general purpose bucket can have it. Raises ValueError that says what it is instead."""
    if instead := _other_than_a_name(value) or _reserved(value) or _against_the_rule(value):
        raise ValueError(instead)
    return value


def _other_than_a_name(value: str) -> str:
    """An address of a bucket or of what is in it."""
    if value.startswith("arn:"):
        if value.split(":")[2:5] == ["s3", "", ""]:
            return "not an S3 bucket name, but an ARN; give what follows ':::', without a path"
        return f"not an S3 bucket name, but an ARN of something else, such as an access point; {_ACCESS_POINT}"
    if "://" in value:
        return (
            "not an S3 bucket name, but a URL; of s3://name/folder give name, and the folder as the path prefix where "
            "there is one"
        )
    if "/" in value:
        return "not an S3 bucket name, but a path; give what stands before the first '/'"
    return ""


def _reserved(value: str) -> str:
    for ending, what in _RESERVED_ENDINGS.items():
        if value.endswith(ending):
            return f"not an S3 bucket name: what ends in {ending} is {what}"
    for beginning in _RESERVED_BEGINNINGS:
        if value.startswith(beginning):
            return f"not an S3 bucket name: AWS reserves names that begin with {beginning}"
    return ""


def _against_the_rule(value: str) -> str:
    if _IP.fullmatch(value):
        return "not an S3 bucket name: it has the form of an IP address"
    if ".." in value:
        return "not an S3 bucket name: it has two dots side by side"
    return "" if _NAME.fullmatch(value) else _RULE
