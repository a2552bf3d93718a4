"""The reviewer's report, made from the ledger alone, and the proof that nothing in it was changed.

What it says:
    report            the sections in order: scope, steps, calls to Genesys, problems, what was not checked
    controls          each control with its verdict and the ledger entries it rests on
    bucket_section    the findings about the bucket
    plan_section      the changes of a plan, also on a card
    compare_section   what differs from an earlier run
    who_section       who did what, and who vouches for each name
    facts             what the ledger says about one run: steps, findings, approvals, problems
    deeds, actors     who did what, and crashes; who wrote an entry
    call_statistics   counts, success rates and latencies of a run's calls, as queries over the ledger
    charts            the images: latency, success, timeline, steps, retention

How it looks:
    document          sections, tables, prose and verdicts as data, without markup
    as_html, as_pdf   the same sections as a page, with templates/audit.html, and as PDF, with templates/audit.typ
    exports, ocsf     samples.csv, findings.csv, report.json; findings.ocsf.jsonl
    folder            writes all of these files

Proof:
    manifest          the signed hashes of an audit's files
    verify            whether a ledger, an export or an audit folder is as it was signed
    anchor            checkpoints of the ledger in an S3 bucket with Object Lock
"""
