"""Cards over the steps, for notebooks: the only room that imports ipywidgets.

    cards = WalkCards(walk)
    if AUTO_RUN: await cards["connect"].click()
    cards["connect"]

Nothing here prints, and no exception ends in a traceback: feedback goes through the widgets' traits.

Cards:
    walk_cards   a card for each step, their help texts, and the overview of all steps
    base_card    what every card is made of: its buttons, its task, and how it is drawn
    card         one step, redrawn when the walk changes
    drift_cards  has somebody changed the org? Two cards
    archive_card the verification of the archive; imported by its own name, since it brings pyarrow
    backfill_card the export of what never was: plans, then does just that
    fleet_cards  many onboardings at once: plan a folder, approve the whole, apply it
    fleet_work   what these share: the plan, its approval, how it ended, and what blocks what
    fleet_result_card how a fleet ended
    status       the icon and colour of each status
    receipt      a card as static HTML: heading, status line, error box
    file_card    the onboarding as YAML, to load, paste and save
    shown        what a cell shows that is not a card, and where a notebook works

What a step found, on its card:
    results      chooses how to show a step's result; labels of simple values
    findings     the bucket's findings, with a filter by verdict
    plan         the changes of a plan
    fleet_results a fleet's plan, progress and outcomes
    fleet_charts what a fleet asked of Genesys
    archive_results what a verification of the archive found
    documents    IAM policies, Terraform and AWS commands, to copy or download

Forms:
    walk_forms   the form of each step: which fields, and where its values go
    form         a form made from a pydantic model; several forms, or a table, on one card
    fields       an input for each kind of field
    names        what the forms offer to choose from: names of the org, buckets of AWS
    lookup       asks for them in the background, once for each connection
    secret       the input for a secret, which leaves nothing behind
"""

from opslib.widgets.base_card import StepCancelled
from opslib.widgets.card import StepCard
from opslib.widgets.drift_cards import DriftCards
from opslib.widgets.fleet_cards import FleetCards
from opslib.widgets.form import Form
from opslib.widgets.secret import SecretField
from opslib.widgets.shown import Place, Shown
from opslib.widgets.walk_cards import WalkCards, auto_run

__all__ = [
    "DriftCards",
    "FleetCards",
    "Form",
    "Place",
    "SecretField",
    "Shown",
    "StepCancelled",
    "StepCard",
    "WalkCards",
    "auto_run",
]
