# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Verify the archive
#
# Did every recording arrive in the bucket, how late, and why not? This notebook compares a list of the recordings that
# should exist with the objects that are there, and asks the org for the reason of each that is missing.
#
# **You need** a list of the recordings that should exist: a CSV or Parquet file with the columns `conversation_id` and
# `ended_at`. With `recording_id`, each recording is judged; without it, each conversation. `media`, `queue` and
# `delete_at` are used where they are there.
#
# **Where it comes from**: any system that knows your conversations, such as a data warehouse; or Genesys itself. With
# `analytics` instead of a file, and a time since which to judge, the org is asked for the conversations of which audio
# was recorded. The sandbox has its file ready.
#
# **How to**: choose *Run > Run All Cells* once, then fill in the card, and press **Run**.

# %% tags=["parameters"]
from opslib.widgets import Place, Shown, auto_run

AUTO_RUN = auto_run()  # True: the card runs by itself, as in tests

# %%
from opslib import Walk, launch
from opslib.audit.verify import verify
from opslib.widgets.archive_card import ArchiveCard
from opslib.widgets.backfill_card import BackfillCard

sandbox = launch.use_sandbox_unless_configured(recordings=400, planted=True)
Place()

# %% [markdown]
# ## On a sandbox: route recordings first
# No recording arrives before routing is on. Where [notebook 01](01_onboard_storage.ipynb) has not done so, its first
# steps are run here, as they are there. A live org is left as it is.

# %%
walk = Walk(resume=True)
for said in await launch.onboard_on_sandbox(walk):
    print(said)

# %% [markdown]
# ## Expected and arrived
# The bucket is listed, or read from an S3 Inventory report, which is better for millions of objects. The sandbox's
# recordings have defects on purpose: some are missing, late or empty.

# %% tags=["volatile"]
card = ArchiveCard.of(walk, expected=launch.expected_file())
if AUTO_RUN:
    await card.click()
card

# %% [markdown]
# ## What will be deleted first
# Missing, and soon deleted in Genesys: soonest first, with what can still be done. **Run this cell again** after the
# card.

# %% tags=["volatile"]
Shown(card.at_risk)

# %% [markdown]
# ## What is missing
# The first 100, to filter and sort. `opslib archive why --json` prints all of them with their reasons; `opslib archive
# verify --out DIR` writes every list as Parquet and CSV.

# %% tags=["volatile"]
Shown(card.missing)

# %% [markdown]
# ## Export what was never exported
# An export job brings what Genesys never exported, and has not deleted yet. The first press plans and sends nothing;
# the second approves just that plan and carries it out. A backfill that was stopped goes on with the same two presses.
# The sandbox's own recordings are exported here; on a live org, press the button yourself.

# %%
export = BackfillCard.of(walk)
if AUTO_RUN:
    await export.click()
    if export.plan and walk.settings.on_sandbox:
        await export.click()
export

# %% [markdown]
# A job that is fulfilled has set export dates. Whether the recordings arrived, only the next verification tells; on a
# live org that takes a while. [A timer](../docs/scheduling.md) verifies every night.

# %% tags=["volatile"]
again = ArchiveCard.of(walk, expected=launch.expected_file())
if AUTO_RUN:
    await again.click()
again

# %% [markdown]
# ## Is the record intact?
# The answer is in the ledger, with the hash of the expected file; the audit report shows it to a reviewer.

# %% tags=["volatile"]
walk.run_id  # the run that routed the recordings

# %%
verify(walk.settings.home).intact

# %% [markdown]
# Next: [02 · Audit report](02_audit_report.ipynb), for the reviewer.
