"""Genesys Cloud, S3 and a data lake on loopback, in one process of their own; no account needed.

The room is self-contained: it imports nothing else from opslib, and opslib never knows whether it talks
to it. How a request flows: `serve` picks the app by port → `front` logs it and applies `faults` →
`guard` checks token, permission and rate limit → a route reads or writes the `world` → `deliveries`
tells the subscribed webhooks. The API that Genesys publishes is in `platform`; which of the two an org
serves is a setting. S3 takes its own way in, `s3`, past the same log and the same faults.
"""
