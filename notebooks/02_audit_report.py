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
# # Audit of one storage onboarding
#
# This page says what was done to route Genesys Cloud call recordings into an S3 bucket, what was checked, and what was
# not. It is made from the **ledger**: a record that is written while the work is done and whose entries are chained, so
# that a later change shows. Every figure below comes from that record; the numbers in “entries” are its line numbers.

# %% tags=["parameters", "remove-cell"]
RUN_ID = None  # None: the last walk
HOME = None  # None: the workspace (OPSLIB_HOME); without a ledger there, the recorded example

# %% tags=["remove-cell"]
from pathlib import Path

from opslib.audit.report import AuditReport

report = AuditReport.open(RUN_ID, Path(HOME) if HOME else None)

# %% [markdown]
# ## Verdicts
# Whether the calls to Genesys succeeded, and whether the storage is fit, are two questions.

# %%
report.summary()

# %% [markdown]
# ## Scope and provenance

# %%
report.scope()

# %% [markdown]
# ## Controls
# PASS: shown by the entries named. FAIL: shown to be wrong. UNKNOWN: asked and not answered, or not asked in this run.
# *Not checked*: this version of the kit does not look at it, and nobody may conclude anything from its silence.

# %%
report.verdicts()

# %% [markdown]
# ## The bucket
# Each check with its answer, worst first. Open “details” for the risk, the fix and the calls that the answer rests on.

# %%
report.bucket()

# %%
report.retention()

# %% [markdown]
# ## Plan and approvals
# What was to change, who agreed to it, and how it ended. A dash means: not there.

# %%
report.plans()

# %% [markdown]
# ## What was done

# %%
report.steps()

# %% [markdown]
# ## Calls to Genesys

# %%
report.operations()

# %%
report.latency()

# %%
report.success()

# %% [markdown]
# ## Errors and retries
# A failed attempt that was repeated and then succeeded is listed here, too.

# %%
report.problems()

# %% [markdown]
# ## Words
#
# - **Storage target**: the S3 bucket that recordings are written to, as Genesys Cloud knows it.
# - **Retention policy**: which recordings are kept there, and for how many days.
# - **Plan**: every change that is needed, written down before anything is sent. Its **checksum** names just this plan.
# - **Rolled back**, **undone**: a change failed, so those before it were taken back.
# - **Webhook**: the address at which the data lake hears of changes.
# - **Operation**: one thing asked of Genesys; it may take several **attempts**.
# - **Correlation id**: the number Genesys gives a request; its support finds the request by it.
# - **p95**: 95 of 100 attempts were at least as fast.
# - **Hash**: a fingerprint of a text; a changed text has another one.
# - **Head of the chain**: the fingerprint that covers the whole ledger.
