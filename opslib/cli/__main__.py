"""`python -m opslib.cli`: the command line, also where no script was installed."""

from opslib.cli.app import main

main()
