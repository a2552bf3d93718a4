"""The walk: one onboarding as steps.

walk           `Walk`: the steps in their one order, for notebook, command line and fleet
context        what the steps work on: what the user has chosen, the plan, the session, the run in the ledger
steps          what each step does, what it needs, and which inputs make it stale
state_machine  how steps are run, joined, cancelled and recorded, whatever they do
session        the connection to one org, which several walks may share: token, rate gate, client, both backends
fleet          many onboardings at once, of one org or several
fleet_files    its files, and which of them cannot go together
fleet_orgs     its orgs: a session each, and how many onboardings are at work at once
fleet_plan     its plan as data: a row for each file, one checksum, and the limits
fleet_progress how far it is: what is done, what waits for which limit, and the time left
fleet_result   how it ended: an outcome for each file, and the failures by cause
fleet_turns    whose turn it is to write an object that several onboardings share
shared         what many walks have in common: the ledger, and answers that all ask for
org_settings   the settings for the org that an onboarding names
look           the bucket against its profile, and once more right before something is written
consent        whether the user, or a second key, agrees to something unsafe
second_key     whether a second key must approve, whose keys count, and whether the approval does
drift          has somebody changed the org? Compares it with the onboarding, and reads who changed what
recheck        reads bucket and org again after a walk, for the audit; writes to neither
identities     what AWS and Genesys call this process, noted in its run
resume         restores a walk from the ledger after the program has ended
what_changed   what one step changed in the org (what others changed: `opslib.router.org_changes`)
environment    is this machine ready? asked before anything is sent
right_org      is it the org that the user means?
doctor         is the org ready? (the permissions it asks for: `opslib.genesys.permissions`)
archive        did every recording arrive? (the comparison: `opslib.archive`)
archive_folder the archive's folder in a workspace, in which one is at work at a time
archive_org    the org that the settings name, for an archive
expected_analytics  the expected recordings from the org's analytics
why            why are recordings missing? (the reasons: `opslib.archive.reasons`)
why_metadata   the metadata of many conversations, kept as it comes
why_beside     uploads, orphans, failed jobs and policies, where they can explain something
backfill       exports what never was: a plan, its approval, and what is unfinished
backfill_jobs  its jobs: each is made once, counted, compared with the plan, and carried out
backfill_state how far it is, by the ledger
export_destination  where an export job sends recordings
assumptions    which of the assumptions about a live org hold (the list: `opslib.genesys.assumptions`)
"""
