"""`opslib …` in a terminal: one file per topic, each with its commands and what they do.

`app` lists the commands and turns errors into output and exit codes; `options` has what several commands take.
"""
