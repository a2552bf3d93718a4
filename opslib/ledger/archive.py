"""The entries that work on an archive leaves in the ledger."""

VERIFIED = "archive.verified"
"""What a verification found, with the hash of the list of what is missing."""
EXPLAINED = "archive.explained"
"""Why recordings are missing that one verification found so: `answer.verification.entry` is the number of its entry."""
