"""A page over every target of a workspace: what the last walk of each shows, worst first."""
