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
# **You need** a list of the recordings that should exist: a CSV or Parquet file with the columns `conversation_id` and
# `ended_at`. With `recording_id`, each recording is judged; without it, each conversation. `media`, `queue` and
# `delete_at` are used where they are there.
#
# **Where it comes from**: any system that knows your conversations, such as a data warehouse. From Genesys itself, an
# analytics job for conversation details (`POST /api/v2/analytics/conversations/details/jobs`): take the conversations
# with a session whose `recording` is true. End the list at the date that `…/details/jobs/availability` names, since
# later conversations are not complete yet. The sandbox has its file ready.
#
# **How to**: choose *Run > Run All Cells* once, then fill in the card, and press **Run**.

# %% tags=["parameters"]
from opslib.widgets import Place, Shown, auto_run

AUTO_RUN = auto_run()  # True: the card runs by itself, as in tests

# %%
from opslib import Walk, launch
from opslib.audit.verify import verify
from opslib.widgets.archive_card import ArchiveCard

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
Shown(card.missing)

# %% [markdown]
# **What to do**, beginning with what Genesys deletes first (`delete_at`). Genesys exports each recording once: another
# export job skips what was exported already. So ask for the recording's metadata
# (`GET /api/v2/conversations/{id}/recordingmetadata`):
#
# - **With `exportedDate`**, it was exported and lost later. Download it (`POST /api/v2/recording/batchrequests`, up to
#   100 in a request) and put it into the bucket yourself.
# - **Without**, it was not exported: no policy covered it, or it ended before the policy was there, since policies do
#   not look back. Export it with a recording job (`POST /api/v2/recording/jobs`).
#
# Then press **Run** again.

# %% [markdown]
# ## Is the record intact?
# The answer is in the ledger, with the hash of the expected file; the audit report shows it to a reviewer.

# %% tags=["volatile"]
walk.run_id  # the run that routed the recordings

# %%
verify(walk.settings.home).intact

# %% [markdown]
# Next: [02 · Audit report](02_audit_report.ipynb), for the reviewer.
