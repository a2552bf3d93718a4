"""What is wanted: one target with its policy and webhook, and the YAML file that says so."""
