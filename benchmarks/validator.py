"""All checks of many buckets: ours, beside the same calls made one after another with boto3, and beside Prowler.

    .venv/bin/python benchmarks/validator.py [--buckets 100] [--prowler PATH]

Every bucket has a planted defect, or none. S3 answers 40 ms late, as from a nearby region, and then without delay: on
one machine client and server share the processor, so that shows the floor and no speed-up. Ratios are taken within one
run. Prowler cannot share an environment with opslib; name its command with --prowler or PROWLER. To have one:

    python -m venv /tmp/prowler && /tmp/prowler/bin/pip install prowler
"""

import argparse
import asyncio
import csv
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from planted import DAYS, DEFECTS, plant

from opslib.credentials import AwsKeys
from opslib.sandbox.launch import Sandbox, start_sandbox
from opslib.validator import bucket
from opslib.validator.aws import Answer, Aws, _make_client
from opslib.validator.aws_calls import CALLS
from opslib.validator.bucket import Report, check_buckets
from opslib.validator.checks import CHECKS
from opslib.validator.profile import Profile, Row
from opslib.validator.profile_loader import load_profile
from opslib.validator.wanted import Wanted

DELAYS_S, REGION = (0.04, 0.0), "us-east-1"
Words = dict[tuple[str, str], str]


class Recording(Aws):
    """Notes each call, so that the very same can be made again."""

    made: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012 (one run at a time)

    def call(self, region: str, name: str, params: Mapping[str, Any]) -> Answer:
        self.made.append((name, dict(params)))
        return super().call(region, name, params)


def every_check() -> Profile:
    """All checks there are, each of which fails the bucket."""
    baseline = load_profile("baseline")
    rows = {name: Row(level="FAIL", source="benchmark") for name in CHECKS}
    bounds = baseline.retention.model_copy(update={"playable_days": 90})
    return baseline.model_copy(update={"checks": rows, "retention": bounds})


def all_at_once(names: list[str], keys: AwsKeys) -> tuple[float, list[Report]]:
    """Seconds, and what was found."""
    Recording.made.clear()
    many = [Wanted(name, REGION, retention_days=DAYS, writer=keys) for name in names]
    start = time.perf_counter()
    reports = asyncio.run(check_buckets(many, every_check(), keys))
    return time.perf_counter() - start, reports


def one_after_another(keys: AwsKeys) -> float:
    """Seconds for the same calls; an upload's id is that of the upload begun just before."""
    made = sorted(Recording.made, key=lambda call: str(call[1].get("Bucket")))
    clients = {service: _make_client(service, REGION, keys) for service in {CALLS[name].service for name, _ in made}}
    upload: dict[str, str] = {}
    start = time.perf_counter()
    for name, params in made:
        params = params | (upload if "UploadId" in params else {})
        try:
            answer = getattr(clients[CALLS[name].service], CALLS[name].method)(**params)
        except (ClientError, BotoCoreError):
            continue
        if name == "CreateMultipartUpload":
            upload = {"UploadId": answer["UploadId"]}
    return time.perf_counter() - start


def prowler(command: str, sandbox: Sandbox) -> tuple[float, Words]:
    """Seconds for the whole command, and its word on each bucket by its check."""
    user = httpx.post(f"{sandbox.info['control_url']}/aws-users", json={"actions": ["*"]}).raise_for_status().json()
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "AWS_ENDPOINT_URL": sandbox.info["s3_url"],
            "AWS_ACCESS_KEY_ID": user["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": user["secret_access_key"],
            "HOME": folder,
        }
        options = ["aws", "--service", "s3", "--region", REGION, "--output-formats", "csv", "-o", folder]
        start = time.perf_counter()
        subprocess.run(
            [command, *options, "--no-banner", "--ignore-exit-code-3"], env=environment, check=True, capture_output=True
        )
        seconds = time.perf_counter() - start
        (found,) = Path(folder).glob("*.csv")
        with found.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
    return seconds, {(row["RESOURCE_NAME"], row["CHECK_ID"]): row["STATUS"] for row in rows}


def most_often(sandbox: Sandbox) -> tuple[int, int]:
    """How many requests about buckets S3 has received, and how often the most frequent; then forget them."""
    requests = f"{sandbox.info['control_url']}/requests"
    received = httpx.get(f"{requests}?service=s3", timeout=60).json()
    httpx.delete(requests)
    asked = Counter((one["method"], one["path"], one.get("query", "")) for one in received if one["path"] != "/")
    return asked.total(), max(asked.values())


def table(reports: list[Report], theirs: Words) -> None:
    """For each planted defect: was it seen? ✖ marks a wrong word."""
    print("\nProwler's checks of lifecycle rules and of Object Lock ask whether there are any, not what they do.")
    print(f"{'planted':48}{'right':7}{'opslib':10}{'Prowler':10}Prowler's check")
    for report, defect in zip(reports, DEFECTS, strict=False):
        (ours,) = [one.verdict for one in report.findings if one.check == defect.check]
        their = theirs.get((report.wanted.bucket, defect.prowler), "–")
        said = [word if word in (defect.right, "–") else f"{word} ✖" for word in (ours, their)]
        print(f"{defect.name:48}{defect.right:7}{said[0]:10}{said[1]:10}{defect.prowler or 'has none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--buckets", type=int, default=100, help=f"at least {len(DEFECTS)}")
    parser.add_argument("--prowler", default=os.environ.get("PROWLER"), help="the command of a Prowler")
    options = parser.parse_args()
    names = [f"benchmark-{number:03}" for number in range(max(options.buckets, len(DEFECTS)))]
    bucket.Aws = Recording  # type: ignore[misc]
    with start_sandbox() as sandbox:
        os.environ.update(sandbox.environment())
        info = sandbox.info
        keys = AwsKeys(access_key_id=info["aws_access_key_id"], secret_access_key=info["aws_secret_access_key"])
        clients = {service: _make_client(service, REGION, keys) for service in ("s3", "kms")}
        with ThreadPoolExecutor(4) as threads:
            defects = [DEFECTS[number % len(DEFECTS)] for number in range(len(names))]
            list(threads.map(lambda name, defect: plant(clients, name, defect), names, defects))
        all_at_once(names[:1], keys)  # boto3 is loaded now
        theirs: Words = {}
        for delay_s in DELAYS_S:
            httpx.delete(f"{info['control_url']}/faults")
            if delay_s:
                httpx.post(f"{info['control_url']}/faults", json={"delay_s": delay_s}).raise_for_status()
            httpx.delete(f"{info['control_url']}/requests")
            fast_s, reports = all_at_once(names, keys)
            total, most = most_often(sandbox)
            slow_s = one_after_another(keys)
            print(f"\nS3 answers {delay_s * 1000:.0f} ms late, {len(names)} buckets × {len(CHECKS)} checks", flush=True)
            print(f"  opslib, all at once      {fast_s:7.1f} s   {len(Recording.made)} calls")
            print(f"  boto3, one after another {slow_s:7.1f} s   {slow_s / fast_s:.1f} × opslib")
            print(f"  S3 received {total} different requests from opslib, none more than {most} times")
            if options.prowler and delay_s:
                seconds, theirs = prowler(options.prowler, sandbox)
                print(f"  Prowler, its S3 checks   {seconds:7.1f} s   {seconds / fast_s:.1f} × opslib, start included")
        if not options.prowler:
            print("\nProwler was not run: name its command with --prowler or PROWLER")
        table(reports, theirs)


if __name__ == "__main__":
    main()
