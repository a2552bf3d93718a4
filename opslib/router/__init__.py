"""Brings an org into the desired state.

plan            what would change, field by field
unsafe_changes  which changes need consent, by name
approval        a second key's agreement to exactly one plan, as files that travel
render          a plan for people, as text or HTML
apply           carries out exactly one plan; reads back what was written; resumes and rolls back
differences     an object that is not as it was sent: which fields, and whose doing it is
journal         how far an apply came, read from the ledger
lock            one apply at a time in a workspace
org_changes     what others changed in the org (what a step of ours changed: `opslib.walk.what_changed`)
own_work        what opslib itself wrote, so that it is not taken for somebody else's change
storage_router  the tutorial's `GenesysStorageRouter`, which writes one object per call
"""
