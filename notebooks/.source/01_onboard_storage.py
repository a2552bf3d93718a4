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
# # Onboard a storage target
#
# This notebook routes Genesys Cloud call recordings into an S3 bucket, one card at a time. Each card says what it
# needs, what it did and what it found; everything is kept in a ledger.
#
# **How to**: choose *Run > Run All Cells* once. Then fill in the card that is open, and press its blue button; the next
# card opens by itself. With the keyboard: Tab to the button, then Enter.
#
# Without an org configured, this works on a **sandbox**: Genesys, S3 and a data lake on this machine.

# %% jupyter={"source_hidden": true} tags=["parameters"]
# Whether the cards run by themselves
from opslib.widgets import Shown, WalkCards, auto_run

AUTO_RUN = auto_run()  # True: as in tests

# %% jupyter={"source_hidden": true}
# A sandbox, unless an org is configured
from opslib import Walk, launch
from opslib.audit.verify import verify

sandbox = launch.use_sandbox_unless_configured()

# %% jupyter={"source_hidden": true}
# The walk, which goes on after a restart
walk = Walk(resume=True)  # Walk() starts over
cards = WalkCards(walk, auto_run=AUTO_RUN)
cards

# %% [markdown]
# ## The steps
# Fill in the forms on the cards, or use a YAML file.

# %% jupyter={"source_hidden": true}
cards.file

# %% jupyter={"source_hidden": true}
await cards.step("connect")

# %% jupyter={"source_hidden": true}
await cards.step("validate_bucket")

# %% jupyter={"source_hidden": true}
await cards.step("plan")

# %% jupyter={"source_hidden": true}
await cards.step("approve")

# %% jupyter={"source_hidden": true}
await cards.step("apply")

# %% [markdown]
# **Only if an apply was left unfinished**, by a crash or a stop: finish it or undo it here. Otherwise go on below.

# %% jupyter={"source_hidden": true}
cards.recovery["resume"]

# %% jupyter={"source_hidden": true}
cards.recovery["rollback"]

# %% jupyter={"source_hidden": true}
await cards.step("see_event")

# %% jupyter={"source_hidden": true}
await cards.step("report")

# %% [markdown]
# ## What was measured

# %% jupyter={"source_hidden": true} tags=["volatile"]
cards.measurements

# %% [markdown]
# The same as a table. It shows what was measured before its cell ran: after the walk, run it again with Shift+Enter.

# %%
samples = walk.samples()  # a pandas DataFrame, to work on
Shown(samples[["step", "endpoint", "attempt", "status", "outcome"]])

# %% [markdown]
# ## Is the record intact?
# Every entry is chained to the one before it; the last one's hash covers them all. Run this cell
# again after the walk, too.

# %%
await walk.aclose()
verify(walk.settings.home).intact

# %% [markdown]
# Next: [02 · Audit report](02_audit_report.ipynb), for the reviewer. And once some calls have ended, did the recordings
# arrive? [03 · Verify the archive](03_verify_archive.ipynb) tells.

# %% jupyter={"source_hidden": true}
cards
