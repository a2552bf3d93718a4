"""The entry that a verification of the archive leaves in the ledger."""

VERIFIED = "archive.verified"
