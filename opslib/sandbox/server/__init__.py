"""Genesys Cloud, S3 and a data lake on loopback, in one process of their own; no account needed.

The room imports nothing else from opslib, and the rest of opslib never knows whether it talks to it.

The way of a request to Genesys, and the file of each station:

    serve                  starts the servers, and picks the app by port
    middleware             gives a correlation id, notes the request in the request_log, injects a fault (faults)
    guard                  checks the token (oauth), the rate limit and the permission
    a route                parameters and bodies check what was sent
    world                  keeps the org's state, also as a late reader sees it
    deliveries             tells the subscribed webhooks

Which file answers which endpoint:

    oauth                  /oauth/token
    storage_target_routes  the storage-targets contract: targets, policies, webhooks, as resources describes them
    platform               the API that Genesys publishes
    datalake               POST of any event, GET /events
    s3                     S3, IAM, STS and KMS, answered by moto, behind the same log and the same faults
    aws                    the account behind it, and where moto differs from AWS
    downloads              a report at a signed URL, which needs no token; see platform
    control                what a test or a lesson changes from outside: faults, clients, settings

`recordings` makes up what a contact centre recorded, and `arrivals` puts it into the bucket once routing is on;
`reasons` says why some of it never comes. `source` is what Genesys knows of each recording, and `destinations` where in
S3 exports go; their routes are served on both backends.
`errors` has the words of Genesys's refusals; `connection` lets a fault cut a connection.
"""
