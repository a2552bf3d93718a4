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
# Did every recording arrive in the bucket, and how late? This notebook compares a list of the recordings that should
# exist with the objects that are there.
#
# **You need** a CSV or Parquet file with the columns `conversation_id` and `ended_at`, from any system that knows your
# conversations. With `recording_id`, each recording is judged; without it, each conversation. `media`, `queue` and
# `delete_at` are used where they are there.
#
# **How to**: choose *Run > Run All Cells* once, then fill in the card, and press **Run**.

# %% tags=["parameters"]
from opslib.widgets import auto_run

AUTO_RUN = auto_run()  # True: the card runs by itself, as in tests

# %%
from opslib import Walk, launch
from opslib.audit.verify import verify
from opslib.widgets.archive_card import ArchiveCard

sandbox = launch.use_sandbox_unless_configured(recordings=400, planted=True)
print(launch.where_we_work())

# %% [markdown]
# ## On a sandbox: route recordings first
# No recording arrives before routing is on. Where [notebook 01](01_onboard_storage.ipynb) has not done so, its first
# steps are run here, as they are there. A live org is left as it is.

# %%
walk = Walk(resume=True)
if launch.on_sandbox() and walk.state("apply") != "done":
    print(*[step.summary async for step in walk.in_order(until="apply")], sep="\n")
await walk.aclose()

# %% [markdown]
# ## Expected and arrived
# The bucket is listed, or read from an S3 Inventory report, which is better for millions of objects. The sandbox's
# recordings have defects on purpose: some are missing, late or empty.

# %%
card = ArchiveCard.of(walk, expected=launch.expected_file())
if AUTO_RUN:
    await card.click()
card

# %% [markdown]
# ## What is missing
# The first 100, to filter and sort. `opslib archive verify --out DIR` writes all of them, and every other list, as
# Parquet and CSV. **Run this cell again** after the card.

# %%
card.missing

# %% [markdown]
# ## Is the record intact?
# The answer is in the ledger, with the hash of the expected file; the audit report shows it to a reviewer.

# %% tags=["volatile"]
walk.run_id  # the run that routed the recordings

# %%
verify(walk.settings.home).intact

# %% [markdown]
# Next: [02 · Audit report](02_audit_report.ipynb), for the reviewer.
