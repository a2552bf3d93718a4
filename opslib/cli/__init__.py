"""`opslib …` in a terminal: one file per topic, put together in `app`."""
