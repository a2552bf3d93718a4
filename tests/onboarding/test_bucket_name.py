"""Names that S3 gives to other things than buckets, and what people paste instead of a name."""

import pytest

from opslib.errors import InvalidInput
from opslib.onboarding.models import StorageTarget
from opslib.onboarding.values import BucketName, checked, checked_value


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("recordings--use1-az4--x-s3", "directory bucket"),
        ("recordings--usw2-lax1-az1--x-s3", "directory bucket"),
        ("recordings--use1-az4--xa-s3", "access point of a directory bucket"),
        ("recordings-metadata-abc123-s3alias", "alias of an access point"),
        ("recordings-abc123--ol-s3", "Object Lambda access point"),
        ("recordings-o01ac5d28a6a232904e8xz5w8ijx1qzlbp3i3kuse10--op-s3", "access point on Outposts"),
        ("mfzwi23gnjvgw.mrap", "Multi-Region Access Point"),
        ("recordings--table-s3", "table bucket"),
        ("xn--recordings", "begin with xn--"),
        ("sthree-configurator-recordings", "begin with sthree-"),
        ("amzn-s3-demo-recordings", "begin with amzn-s3-demo-"),
        ("192.168.5.4", "form of an IP address"),
        ("our..recordings", "two dots"),
        ("Our-Recordings", "lower-case"),
        ("our_recordings", "lower-case"),
        ("-recordings", "lower-case"),
        ("ab", "3 to 63"),
        ("a" * 64, "3 to 63"),
        ("s3://our-recordings", "a URL"),
        ("s3://our-recordings/voice/", "give name, and the folder as the path prefix"),
        ("https://our-recordings.s3.eu-central-1.amazonaws.com/", "a URL"),
        ("our-recordings/voice", "a path"),
        ("arn:aws:s3:::our-recordings", "an ARN"),
        ("arn:aws-us-gov:s3:::our-recordings/voice/*", "an ARN"),
        ("arn:aws:s3:us-east-1:123456789012:accesspoint/recordings", "such as an access point"),
        ("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", "such as an access point"),
    ],
)
def test_what_is_not_a_buckets_name_is_refused_as_what_it_is(name: str, says: str) -> None:
    """In the command line and in the onboarding file alike, with a way out, and without the value."""
    with pytest.raises(InvalidInput) as caught:
        checked_value(BucketName, name, "bucket")
    assert says in caught.value.cause
    assert name not in str(caught.value) or len(name) < 3
    with pytest.raises(InvalidInput) as of_the_file:
        checked(StorageTarget, bucket=name)
    assert f"bucket: {caught.value.cause.removeprefix('bucket: ')}" in of_the_file.value.cause


@pytest.mark.parametrize(
    "name", ["our-recordings", "our.recordings.2026", "123", "x-s3", "mrap", "a" * 63, "recordings-x-s3", "s3alias"]
)
def test_a_bucket_can_be_called_so(name: str) -> None:
    """Only the whole endings and beginnings are reserved."""
    assert checked_value(BucketName, name, "bucket") == name
