"""The API that Genesys publishes, as far as recordings to S3 go: what a live org answers.

How a change flows: a route in `integration_routes` or `policy_routes` checks the body and writes the `org` → the org
keeps an entry of it in its `audit_log` → `event_feed` sends the entry along every active EventBridge integration.
`credential_routes` keeps the credentials that integrations use, `shapes` says what the S3 integration looks like,
`audit_routes` answers queries of the log, `org_routes` what a token asks about itself and its org, `people_routes` whom
a policy can be about.

How recordings are found and exported: `conversation_query` finds conversations, for the jobs of analytics in
`conversation_job_routes` and for export jobs. A route in `recording_job_routes` makes one of the `recording_jobs` →
carried out, it sets dates in the `source` → what is due arrives in the bucket. `recording_routes` shows those dates,
and `upload_report_routes` the uploads.
"""
