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

# %% jupyter={"source_hidden": true} transient={"remove_source": true} tags=["parameters", "remove-cell"]
RUN_ID = None  # None: the last walk
HOME = None  # None: the workspace (OPSLIB_HOME); without a walk there, the recorded example
COMPARE_WITH = None  # None: the walk before that one

# %% jupyter={"source_hidden": true} transient={"remove_source": true} tags=["remove-cell"]
from pathlib import Path

from opslib.audit.in_notebook import top
from opslib.audit.report import AuditReport

report = AuditReport.open(RUN_ID, Path(HOME) if HOME else None, compare_with=COMPARE_WITH)

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
top(report)

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("cover")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("verdict")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("open_items")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("who")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("controls")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("frameworks")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("bucket")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("recordings")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("changes")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("still_so")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("not_proven")

# %% jupyter={"source_hidden": true} transient={"remove_source": true}
report.show("appendix")
