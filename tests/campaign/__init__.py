"""Seeded fault injection: every request of the walks, with every kind of fault, through a real proxy on loopback.

`faults` says what can go wrong, `proxy` does it, `walks` are what is disturbed, `disturbances` are what goes wrong on
this machine, `judge` says what must hold whatever went wrong, and `python -m tests.campaign` runs all of it.
"""
