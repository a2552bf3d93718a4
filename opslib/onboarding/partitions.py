"""The parts of AWS that share no accounts: which one a region is in, as ARNs name it."""

from functools import cache


@cache
def partition_of(region: str) -> str:
    """The partition of a region that AWS has. Imported here: botocore is slow to load."""
    import botocore.session

    return str(botocore.session.get_session().get_partition_for_region(region))
