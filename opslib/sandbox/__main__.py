"""`python -m opslib.sandbox`: the sandbox without the command line tool around it."""

import argparse
from typing import get_args

from opslib.sandbox import serve
from opslib.sandbox.world import Backend


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m opslib.sandbox", description=serve.__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")
    parser.add_argument("--seed", type=int, help="the same seed gives the same world")
    parser.add_argument("--read-lag-s", type=float, default=0.0, help="how stale reads are, in seconds")
    parser.add_argument("--rate-limit", type=int, default=300, help="requests per token and 60 s")
    parser.add_argument("--backend", choices=get_args(Backend), default="both", help="which Genesys API the org serves")
    parser.add_argument("--until-stdin-closes", action="store_true", help="also stop when stdin ends")
    args = parser.parse_args()
    serve(
        json_output=args.json,
        seed=args.seed,
        read_lag_s=args.read_lag_s,
        rate_limit=args.rate_limit,
        backend=args.backend,
        until_stdin_closes=args.until_stdin_closes,
    )


if __name__ == "__main__":
    main()
