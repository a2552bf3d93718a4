"""The walk: one onboarding as steps, the session they share, and how a walk is resumed."""
