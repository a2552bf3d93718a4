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
# # Start here
#
# **opslib** routes Genesys Cloud call recordings into an S3 bucket, checks the bucket first, and keeps a record of
# everything that a reviewer can check later.
#
# 1. [01 · Onboard a storage target](01_onboard_storage.ipynb): click through it, card by card.
# 2. [02 · Audit report](02_audit_report.ipynb): what happened, for a reader who runs nothing.
# 3. [03 · Verify the archive](03_verify_archive.ipynb): did the recordings arrive, and how late?
# 4. [04 · Many onboardings at once](04_fleet.ipynb): a folder of onboarding files, planned, approved and applied.
# 5. [05 · Troubleshooting](05_troubleshooting.ipynb): each error, provoked on a sandbox, explained and mended.
# 6. [06 · Drift, removal and undo](06_drift_and_offboard.ipynb): has somebody changed it? How to remove it, and
#    how to undo the last apply.
#
# Run a cell with **Shift+Enter**, or all of them with *Run > Run All Cells*.

# %% [markdown]
# ## Sandbox or live?
#
# **Sandbox**: Genesys, S3 and a data lake on this machine. No account is needed and nothing leaves the machine. This is
# what you get when no org is configured, and what `make lab` starts.
#
# **Live**: set `OPSLIB_REGION`, `OPSLIB_CLIENT_ID` and `OPSLIB_CLIENT_SECRET` before you start JupyterLab, in the
# environment or in a `.env` file, and an AWS key or profile. `docs/settings.md` lists every setting.

# %%
from opslib import launch
from opslib.walk.environment import environment_table
from opslib.widgets import Place, Shown

# %%
sandbox = launch.use_sandbox_unless_configured()
Place()

# %% [markdown]
# ## Is this machine ready?
#
# Whatever is wrong is named here with its fix, before it gets in your way.

# %% tags=["volatile"]
Shown(environment_table())

# %% [markdown]
# Next: [01 · Onboard a storage target](01_onboard_storage.ipynb)
