"""What a reviewer reads: facts and charts, made from the ledger alone."""
