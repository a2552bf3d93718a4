"""What happened, kept so that a change to it does not go unnoticed: entries, chained and signed.

ledger      `Ledger` and `Run`: append entries, read them, write checkpoints
database    the SQLite file: its tables and schema versions, and reading it without changing it
chain       the hash chain of entries and checkpoints, and the check that it holds
proof       what a process has proved of a ledger, for who acts on its entries
signing     the key that signs, and the check of a signature
export      the ledger as JSON lines, for readers without SQLite
samples     one HTTP attempt as a sample, and the samples as a DataFrame
statistics  percentiles and success rates of samples
actor       who writes: the machine's word for it, and the answers of AWS and Genesys
moment      the time as the ledger writes it
"""
