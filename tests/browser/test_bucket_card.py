"""The bucket's card as somebody mends a bucket with it: filter, copy the fix, download what IAM needs."""

import json
from pathlib import Path

from ..validator.buckets import Planted
from ..world import Sandbox
from .lab import DARK, Lab
from .walk import NOTEBOOK, card, run_by_keyboard, said


async def test_mend_a_bucket_by_keyboard(configured: Lab, sandbox: Sandbox, tmp_path: Path) -> None:
    """What fails stands first; its fix goes to the clipboard with one key; the IAM policy is a file; axe agrees."""
    lab, bucket = configured, Planted(sandbox, sandbox["bucket"])
    await lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    bucket.block("BlockPublicPolicy")
    try:
        await lab.open(NOTEBOOK)
        await lab.run_all()
        await run_by_keyboard(lab)
        await said(lab, "connect", "done")
        await run_by_keyboard(lab)
        assert "1 FAIL" in await said(lab, "validate_bucket", "failed")
        shown = card(lab, "validate_bucket")
        first = shown.locator("table").filter(has_text="profile baseline").locator("tbody tr").first
        assert "FAIL" in await first.inner_text()
        await first.locator("summary").press("Enter")
        copy = first.get_by_role("button", name="Copy").first
        await copy.press("Enter")
        await first.get_by_role("button", name="Copied").first.wait_for()
        copied = await lab.page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"aws s3api put-public-access-block --bucket {sandbox['bucket']}")

        await shown.get_by_text("IAM policies and Terraform for this bucket").press("Enter")
        await shown.get_by_text("For the key that checks").press("Enter")
        async with lab.page.expect_download() as download:
            await shown.get_by_role("link", name="Download opslib-checks.json").press("Enter")
        saved = tmp_path / "policy.json"
        await (await download.value).save_as(saved)
        assert json.loads(saved.read_text())["Version"] == "2012-10-17"
        assert (await download.value).suggested_filename == "opslib-checks.json"
        await first.scroll_into_view_if_needed()
        await lab.screenshot("bucket-light")
        await lab.set_theme(DARK)
        await first.scroll_into_view_if_needed()
        await lab.screenshot("bucket-dark")
        assert await lab.axe() == []
    finally:
        bucket.block()
