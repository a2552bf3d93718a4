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
# The sections below are those of `opslib audit`, which writes them as HTML and PDF too. *Run > Run All Cells* shows
# your own last walk; until there is one, and as it comes to you, this is a recorded example.

# %% tags=["parameters", "remove-cell"]
RUN_ID = None  # None: the last walk
HOME = None  # None: the workspace (OPSLIB_HOME); without a walk there, the recorded example
COMPARE_WITH = None  # None: the walk before that one

# %% tags=["remove-cell"]
from pathlib import Path

from opslib.audit.report import AuditReport

report = AuditReport.open(RUN_ID, Path(HOME) if HOME else None, compare_with=COMPARE_WITH)

# %%
report.show("cover")

# %%
report.show("verdict")

# %%
report.show("open_items")

# %%
report.show("who")

# %%
report.show("controls")

# %%
report.show("frameworks")

# %%
report.show("bucket")

# %%
report.show("recordings")

# %%
report.show("changes")

# %%
report.show("still_so")

# %%
report.show("not_proven")

# %%
report.show("appendix")
