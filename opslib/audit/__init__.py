"""The reviewer's report, made from the ledger alone, and the proof that nothing in it was changed.

What it says:
    report, contents  one report: its sections, their order and how texts refer to them
    sections/         what each section says
    headline          the verdict with its rule and age
    controls          each control with its verdict and the ledger entries it rests on
    open_items        what did not pass: whom to ask for what, and when it is closed
    facts             what the ledger says about one run: steps, findings, approvals, problems
    looks             every look at the bucket, and what they say together
    reads             every later read of the objects that the run registered
    since_then        is it still so? what became of them, and what of that breaks the rule
    rule, age, clock  what is judged by, how old the evidence is, and whether the clock was right
    separation        whether a second key approved exactly what was applied
    exceptions        unsafe changes that somebody agreed to: why, who, until when
    kind, tampered    what sort of run it was; what a verdict is worth in a ledger that was changed
    deeds, actors     who did what, and crashes; who wrote an entry
    call_statistics   counts, success rates and latencies of a run's calls, as queries over the ledger
    charts            latency, success, timeline, steps, retention
    arrival_charts    when recordings arrived, and how late

How it looks:
    document          sections, tables, prose and verdicts as data, without markup
    as_html, as_pdf   the same sections as a page and as PDF, each with its template in templates/
    in_notebook       what notebook 02 shows above the sections: contents and downloads
    drawing           charts as SVG in the colours of the page; distribution, time_axis: what several of them share
    words             small forms of sentences
    exports, ocsf     samples.csv, operations.csv, findings.csv, report.json; findings.ocsf.jsonl
    folder            writes all of these files

Proof:
    manifest          the signed hashes of an audit's files
    verify            whether a ledger, an export or an audit folder is as it was signed
    anchor            checkpoints of the ledger in an S3 bucket with Object Lock
"""
