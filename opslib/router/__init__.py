"""Brings Genesys into the desired state. `GenesysStorageRouter` writes one object a call."""
