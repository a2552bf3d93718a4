"""Is AWS ready for the recordings: the bucket, the role that writes into it, and the event feed. Nothing is changed.

What is asked of a bucket:

- `checks/` has a function for each check; `check.py` says what a check is, and keeps the registry of all.
- `profile.py` says what a profile is; `profile_loader.py` loads one, built in (with `profile_files/`) or a user's own.
- `wanted.py` is what the onboarding or the options want of one bucket.

Who asks:

- `bucket.py` runs a profile's checks on one bucket or many, and makes the report; `render.py` shows it to people.
- `storage_validator.py` is the tutorial's class, with two questions only.
- `event_feed.py` follows the event feed through AWS, link by link.

How it is asked, from a check down to AWS:

- `inspection.py` is one check's view of one bucket, and keeps the evidence; it remembers, so that no call is made
  twice. The check answers as in `finding.py`.
- `aws.py` makes the call, in a thread; `aws_calls.py` lists the calls and the IAM action that each needs.
- `caller.py` asks whose keys they are, `own_buckets.py` which buckets the account has.
- `bucket_errors.py` turns a refusal into an error with cause and fix; `denial.py` reads AWS's sentence about a denial.
- `role_writer.py` asks for everything that can forbid the role to write, and combines it.

What an answer means, as pure functions: `lifecycle.py` (retention, versions, locks), `intelligent_tiering.py` (what is
archived), `replication.py`, `notifications.py`, `log_delivery.py` (whether logs can arrive); `policy.py`,
`conditions.py` and `wildcards.py` (what IAM policies say to a request), `parties.py` (who is meant), `bucket_policy.py`
(plain HTTP).

`documents/` generates what the owner of the AWS account needs: IAM policies, Terraform, and the event feed's AWS side.
"""
