if __name__ == "__main__":  # not in the processes that are forked
    import sys

    from .runner import main

    sys.exit(main())
