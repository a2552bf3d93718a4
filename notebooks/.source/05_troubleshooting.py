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
# # Troubleshooting
#
# Every error that an onboarding can meet, **provoked for real** on a sandbox, shown as the card shows it, and
# mended. So when you meet one in your own org, you know what it means, what was changed and what was not, and
# what to do.
#
# **How to**: *Run > Run All Cells*, or cell by cell. This notebook starts a sandbox of its own and keeps its
# record in a folder of its own; it does not start where a live org is configured.
#
# | you see | it means |
# |---|---|
# | [401](#401-·-wrong-client-secret) | the client's id or secret is wrong, or the client was switched off |
# | [403 from Genesys](#403-·-the-OAuth-client-lacks-a-permission) | the OAuth client lacks a permission |
# | [429](#429-·-rate-limit) | too many requests |
# | [400](#400-·-refused-content) | the content was refused |
# | [404 from S3](#S3-404-·-no-such-bucket) | there is no such bucket |
# | [301 from S3](#S3-301-·-another-region) | the bucket is in another region |
# | [403 from S3](#S3-403-·-the-key-lacks-a-permission) | the AWS key lacks a permission |
# | [the KMS key](#S3-·-the-KMS-key-is-disabled) | what is written cannot be read again |
# | [lifecycle](#S3-·-a-lifecycle-rule-removes-recordings) | recordings are removed too early |

# %% jupyter={"source_hidden": true}
import opslib
from opslib.sandbox.lessons import Lessons
from opslib.widgets import Place, Shown, WalkCards

# %% jupyter={"source_hidden": true}
lessons = Lessons()
cards = WalkCards(lessons.walk)
Place()

# %% [markdown]
# ## A step out of order
# A card that is clicked too early sends nothing, and says what is to be done first.

# %% jupyter={"source_hidden": true}
from contextlib import suppress

with suppress(opslib.errors.StepBlocked):
    await cards["apply"].click()
cards["apply"].snapshot()

# %% [markdown]
# ## 401 · wrong client secret
# Genesys does not know the id, the secret does not belong to it, or the OAuth client was disabled or deleted.
# Nothing that needs a token can work; nothing was sent but the question for one.

# %% jupyter={"source_hidden": true}
await lessons.provoke("wrong-secret")
cards["connect"].snapshot()

# %% [markdown]
# **Mend it**: type the right secret on the Connect card, or make a new one in *Admin > Integrations > OAuth*.

# %% jupyter={"source_hidden": true}
(await lessons.mend("wrong-secret")).summary

# %% [markdown]
# ### 401 · a token that was revoked
# A token may end before its time. You do not see this one: a new token is fetched, once for all who wait, and the
# request is sent again.

# %% jupyter={"source_hidden": true}
await lessons.provoke("revoked-token")
(await lessons.mend("revoked-token")).summary

# %% [markdown]
# ## 403 · the OAuth client lacks a permission
# This client may write targets and policies, and no webhooks. Two of three changes were made when the third was
# refused; so **both were undone**, and each was read back.

# %% jupyter={"source_hidden": true}
await lessons.provoke("missing-scope")
cards["apply"].snapshot()

# %% [markdown]
# **Mend it**: give the client's role the permission that the card names (*Admin > Roles*), and connect again:
# permissions are looked at when a token is made.

# %% jupyter={"source_hidden": true}
(await lessons.mend("missing-scope")).summary

# %% [markdown]
# ## 429 · rate limit
# Genesys allows some 300 requests a minute for each token. When it says “wait a second”, we wait and try again;
# the plan is made all the same, and the record has both attempts.

# %% jupyter={"source_hidden": true}
await lessons.provoke("rate-limit")
lessons.walk.result("plan").summary

# %% [markdown]
# When it says “wait ten minutes”, waiting would only end in a timeout. So the step ends at once, and says so.

# %% jupyter={"source_hidden": true}
await lessons.provoke("long-rate-limit")
cards["connect"].snapshot()

# %% [markdown]
# **Mend it**: try again later. If it happens often, another program uses the same OAuth client: give each its
# own.

# %% jupyter={"source_hidden": true}
(await lessons.mend("long-rate-limit")).summary

# %% [markdown]
# ## 400 · refused content
# Most of it never leaves this machine: forms and files are checked first, and say where they are wrong.

# %% tags=["raises-exception"]
from opslib.onboarding.file import as_yaml, parse_onboarding

wanted = as_yaml(lessons.walk.onboarding)
changed = wanted.replace("encryption: AES256", "encryption: DES")
parse_onboarding(changed, "This text")

# %% [markdown]
# What only the org can know, it refuses itself. Its own words are the cause; what was changed before is undone.

# %% jupyter={"source_hidden": true}
await lessons.provoke("bad-content")
cards["apply"].snapshot()

# %% [markdown]
# **Mend it**: correct what the cause names, plan again, and look at the plan before you approve it.

# %% jupyter={"source_hidden": true}
(await lessons.mend("bad-content")).summary

# %% [markdown]
# ## S3 404 · no such bucket
# The name is wrong, or the bucket was never made. Here two letters are swapped.

# %% jupyter={"source_hidden": true}
await lessons.provoke("no-bucket")
cards["validate_bucket"].snapshot()

# %% jupyter={"source_hidden": true}
(await lessons.mend("no-bucket")).summary

# %% [markdown]
# ## S3 301 · another region
# S3 answers with a redirect. It is not followed: recordings in another region may be against the law that you
# are under. So it is a finding; the table names it first, with its fix.

# %% jupyter={"source_hidden": true}
await lessons.provoke("wrong-region")
cards["validate_bucket"].snapshot()

# %% jupyter={"source_hidden": true}
(await lessons.mend("wrong-region")).summary

# %% [markdown]
# ## S3 403 · the key lacks a permission
# This key may write objects and nothing else. So we cannot see whether the bucket is fit, and *not seen* never
# counts as *fit*. `opslib check-bucket BUCKET --print checks` writes the policy with just the permissions that the
# checks need.

# %% jupyter={"source_hidden": true}
await lessons.provoke("no-permission")
cards["validate_bucket"].snapshot()

# %% jupyter={"source_hidden": true}
(await lessons.mend("no-permission")).summary

# %% [markdown]
# ## S3 · the KMS key is disabled
# The bucket is encrypted, so a check for encryption alone would pass. But what is written with this key cannot be
# read.

# %% jupyter={"source_hidden": true}
await lessons.provoke("kms-key")
cards["validate_bucket"].snapshot()

# %% jupyter={"source_hidden": true}
(await lessons.mend("kms-key")).summary

# %% [markdown]
# ## S3 · a lifecycle rule removes recordings
# Genesys keeps its promise of 365 days, and the bucket removes the recordings after 30.

# %% jupyter={"source_hidden": true}
await lessons.provoke("lifecycle")
cards["validate_bucket"].snapshot()

# %% jupyter={"source_hidden": true}
(await lessons.mend("lifecycle")).summary

# %% [markdown]
# ## What the record says
# Every attempt of these lessons. Rate limits are diamonds, other failures crosses; a ring is a second try.

# %% tags=["volatile"]
lessons.walk.run_id  # these lessons, in their ledger

# %% tags=["volatile"]
from opslib.audit import charts

Shown(charts.timeline_chart(opslib.samples_frame(lessons.walk.run_id)))

# %% jupyter={"source_hidden": true}
await lessons.aclose()

# %% [markdown]
# Back to [01 · Onboard a storage target](01_onboard_storage.ipynb).
