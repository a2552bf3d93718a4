"""The hosts that secrets may be sent to are those of the official SDK."""

import re

from opslib.settings import REGIONS, Settings

from . import oracle


def test_the_regions_are_genesys_s_own() -> None:
    """All of them, none more, each with the API's host; tokens come from the login host beside it."""
    source = (oracle.folder(".") / "purecloud_region_hosts.py").read_text()
    official = {name.replace("_", "-"): url for name, url in re.findall(r"(\w+) = ['\"](https://[^'\"]+)", source)}
    assert {region: f"https://api.{domain}" for region, domain in REGIONS.items()} == official
    for region, domain in REGIONS.items():
        settings = Settings.load(region=region, api_url=None, login_url=None)
        assert (settings.api_base, settings.login_base) == (f"https://api.{domain}", f"https://login.{domain}")
