"""One Genesys Cloud org: its HTTP stack, its client, and the two APIs that carry an onboarding.

From the wire upwards:

recorder                 the step and operation that a task works for; counts and keeps every attempt
server_time              what time it is at the server, by the Date of its answers
retry                    what is tried again and when; what Retry-After means
deadline                 deadlines whose clock stands still while a fleet waits for its turn
rate_limit               the headers that tell a token's limit, and the window that they are about
limiter                  when the next request of a token may go, by the answers so far
gate                     the rate gate, where the requests of a token wait for their turn
answers                  the JSON that an answer may hold, and its shape for each endpoint
transport                the httpx stack: retry → gate → meter → pooled connections; the seam to replace in tests
client                   `GenesysClient`: JSON requests, pages, deadlines; refusals as errors (see `opslib.errors`)
read_only                a client that sends nothing but GET
shapes                   parts of an answer whose shape is not certain
polling                  ask again until the answer is the one that was waited for
backend                  the `Backend` protocol: what the rest of opslib needs of an API
storage_targets_backend  the backend for the storage-targets contract
platform_backend         the backend for the API that Genesys publishes, with `integrations` and `policies`
retention                after how many days Genesys really deletes its own copy
integration_credentials  where an integration has its role in a credential: found, made, named after what it holds
target_notes             what there is to say about a target and is not a change
properties_schema        checks an integration's properties against the schema of its type
audit_log                the org's own audit log: who changed an integration or a policy
datalake                 has an event arrived in the data lake?
names                    of queues, users, teams and wrap-up codes, for a form to choose from
cursors                  lists that are continued by a cursor
conversation_jobs        conversations of which something was recorded, by analytics, and until when that is complete
recordings               what Genesys knows of recordings: state, dates of export and deletion, orphans
upload_reports           the report on uploads, read at a signed URL without the token
recording_jobs           bulk jobs that export recordings: made once, found again, carried out
token                    whose token it is, and what it may ask for in a minute
assumptions              what we rely on and cannot prove without a live org, and how its answers decide it
permissions              which permissions opslib needs, and which of them we have (the doctor asks)
logs                     log lines as JSON on stderr

Paths and payloads of Genesys are known in this room only. What was written is read back in `opslib.router.apply`.
"""
