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
# # Many onboardings at once
#
# A folder of onboarding files, for one org or several: plan all, approve the whole, apply it, and see how each one
# ended. Each onboarding is one transaction: one that fails is rolled back, and does not keep the others.
#
# **How to**: choose *Run > Run All Cells* once: nothing is sent to a live org by that. Then press the blue buttons from
# top to bottom. On the command line: `opslib fleet`.
#
# Without an org configured, this works on a **sandbox**: Genesys, S3 and a data lake on this machine.

# %% tags=["parameters"]
from opslib.widgets import FleetCards, Place, Shown, auto_run

AUTO_RUN = auto_run()  # True: the cards run by themselves, as in tests
FOLDER = ""  # of onboarding files; empty: the example, on a sandbox
ALLOW = ("shorter-retention",)  # with AUTO_RUN: what is agreed to
REASON = ""  # with AUTO_RUN on a live org: why

# %%
from opslib import launch
from opslib.audit.verify import verify
from opslib.onboarding.models import Consent
from opslib.sandbox.example_fleet import ExampleFleet

sandbox = launch.use_sandbox_unless_configured()
Place()

# %% [markdown]
# ## On a sandbox: an example
# Files for two orgs. Oslo is onboarded already, and its file shortens the retention: that is unsafe. The file of Paris
# is not valid, so it is refused.

# %%
example = await ExampleFleet.make()
example

# %% [markdown]
# ## Plan, approve, apply
# Unsafe changes stand on top. An onboarding whose org has changed since the plan is refused.

# %% jupyter={"source_hidden": true}
# The cards, and where the fleet stands
fleet = FleetCards(FOLDER or example.folder, auto_run=AUTO_RUN)
fleet

# %% jupyter={"source_hidden": true}
await fleet.step("plan")

# %% jupyter={"source_hidden": true}
reason = REASON or launch.example_reason()
consent = Consent(allow=ALLOW, reason=reason)
await fleet.step("approve", consent=consent)  # for AUTO_RUN only

# %% jupyter={"source_hidden": true}
await fleet.step("apply")

# %% [markdown]
# **Stopped?** Press the button again: it goes on where it stopped. After a crash, run all cells again: *Plan* finds
# what was left half-done, and finishes it first.

# %% [markdown]
# ## How each one ended

# %% tags=["volatile"] jupyter={"source_hidden": true}
fleet.result

# %% [markdown]
# The same as a DataFrame, to filter and sort. It shows what had ended before its cell ran: after the apply, run it
# again with Shift+Enter.

# %%
outcomes = fleet.outcomes
Shown(outcomes[["file", "target", "outcome", "fix"]])

# %% [markdown]
# ## Is the record intact?
# One run for the whole, with its plan and approval, and one for each onboarding. After the apply, run these two cells
# again.

# %% tags=["volatile"]
fleet.run_id

# %%
await fleet.aclose()
verify(fleet.home).intact

# %% [markdown]
# Next: [02 · Audit report](02_audit_report.ipynb), for the reviewer.
