"""The glossary of the report, for readers who are not engineers."""

WORDS = (
    ("Storage target", "the S3 bucket that recordings are written to, as Genesys Cloud knows it"),
    ("Retention policy", "which recordings are kept there, and for how many days"),
    ("Webhook, change feed", "the address at which the data lake hears of changes, and what it hears"),
    ("WORM", "write once, read many: a recording cannot be changed or deleted before its time (S3: Object Lock)"),
    ("Lifecycle rule", "a rule of the bucket that removes or moves recordings after some days"),
    ("Profile", "the rules that the bucket is held to: which checks, and how much each counts"),
    ("Plan", "every change that is needed, written down before anything is sent; its checksum names just this plan"),
    ("Rolled back, undone", "a change failed, so those before it were taken back"),
    ("Operation, attempt", "one thing asked of Genesys; it may take several attempts"),
    ("Latency", "how long an answer took"),
    ("p95", "95 of 100 attempts were at least as fast"),
    ("95 % interval", "with so few operations the true rate is only known to lie between these two"),
    ("Correlation id", "the number that Genesys gives a request; its support finds the request by it"),
    ("Hash (SHA-256)", "a fingerprint of a text; a changed text has another one"),
    ("Head of the chain", "the fingerprint that covers the whole ledger"),
)
