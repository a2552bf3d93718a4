"""The sections of the report, a file for each: what it says, as `opslib.audit.document` blocks, from the facts alone.

`plan`, `calls` and `comparison` are parts of sections; cards and the command line show some of them, too.
"""
