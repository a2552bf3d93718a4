"""One Genesys Cloud org: the HTTP stack, the client, and the two APIs that carry an onboarding."""
