"""What happened, kept so that nobody can change it unseen: entries, each chained to the one before, and signed."""
