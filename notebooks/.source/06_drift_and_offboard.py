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
# # Drift, removal and undo
#
# Three questions about an onboarding that is in the org: **has somebody changed it?** **How do I remove it?** And:
# **how do I undo the last apply?**
#
# **How to**: choose *Run > Run All Cells* once: nothing is sent to a live org by that. Then press the blue button of
# the card that you need.
#
# Without an org configured, this works on a **sandbox**: Genesys, S3 and a data lake on this machine.

# %% tags=["parameters"]
from opslib.widgets import DriftCards, Place, WalkCards, auto_run

AUTO_RUN = auto_run()  # True: the cards run by themselves, as in tests
REASON = ""  # with AUTO_RUN on a live org: why it is removed

# %%
from opslib import Walk, launch
from opslib.onboarding.models import Consent
from opslib.walk.drift import Drift

sandbox = launch.use_sandbox_unless_configured()
Place()

# %% [markdown]
# ## On a sandbox: onboard first
# Where [notebook 01](01_onboard_storage.ipynb) has not done so, its steps are run here, as they are there. A live org
# is left as it is.

# %%
walk = Walk(resume=True)
for said in await launch.onboard_on_sandbox(walk):
    print(said)

# %% [markdown]
# ## Has somebody changed it?
# Both cards only read. On the command line: `opslib drift` and `opslib changes`.

# %% jupyter={"source_hidden": true}
given = walk.onboarding, walk.settings
looks = Drift(*given, command="drift")
drift = DriftCards(looks, auto_run=AUTO_RUN)
drift

# %% jupyter={"source_hidden": true}
await drift.step("compare")

# %% jupyter={"source_hidden": true}
await drift.step("changes")

# %% [markdown]
# **If it differs**: to put it back, apply the onboarding again with [notebook 01](01_onboard_storage.ipynb). To keep
# what the org has, write it into the onboarding, or let `opslib export` write the file.

# %% [markdown]
# ## Remove it
# Webhook, policy and target are deleted, in this order, all or none. **Recordings stay** in the bucket, and so does the
# bucket. Calls that end from then on are not exported. On the command line: `opslib offboard`.

# %% jupyter={"source_hidden": true}
removal = Walk(*given, removal=True, resume=True)
cards = WalkCards(removal, auto_run=AUTO_RUN)
cards

# %% jupyter={"source_hidden": true}
cards.file

# %% jupyter={"source_hidden": true}
await cards.step("connect")

# %% jupyter={"source_hidden": true}
await cards.step("validate_bucket")

# %% jupyter={"source_hidden": true}
await cards.step("plan")

# %% jupyter={"source_hidden": true}
reason = REASON or launch.example_reason()
consent = Consent(allow=("delete",), reason=reason)
await cards.step("approve", consent=consent)  # for AUTO_RUN only

# %% jupyter={"source_hidden": true}
await cards.step("apply")

# %% [markdown]
# **Only if a removal was left unfinished**, by a crash or a stop: finish it or undo it here.

# %% jupyter={"source_hidden": true}
cards.recovery["resume"]

# %% jupyter={"source_hidden": true}
cards.recovery["rollback"]

# %% [markdown]
# ## Undo the last apply
# The last finished apply to this org, a removal too, is undone: each object is restored to what the ledger recorded
# before it. If somebody has changed one of them since, nothing is undone. With AUTO_RUN this is only planned. On the
# command line: `opslib undo`.

# %% jupyter={"source_hidden": true}
undo = Walk(*given, undo="last", resume=True)
back = WalkCards(undo, auto_run=AUTO_RUN)
back

# %% jupyter={"source_hidden": true}
await back.step("connect")

# %% jupyter={"source_hidden": true}
await back.step("validate_bucket")

# %% tags=["volatile"] jupyter={"source_hidden": true}
await back.step("plan")

# %% jupyter={"source_hidden": true}
back["approve"]

# %% jupyter={"source_hidden": true}
back["apply"]

# %% [markdown]
# **Only if an undo was left unfinished**, by a crash or a stop: finish it or undo it here.

# %% jupyter={"source_hidden": true}
back.recovery["resume"]

# %% jupyter={"source_hidden": true}
back.recovery["rollback"]

# %% [markdown]
# ## What the record says
# Who removed or undid what, when and why is in the ledger; [02 · Audit report](02_audit_report.ipynb) shows it
# to a reviewer.

# %% tags=["volatile"]
removal.run_id

# %%
await removal.aclose()
await undo.aclose()
