"""Cards over the steps, for notebooks: the only room that imports ipywidgets.

    cards = WalkCards(walk)
    if AUTO_RUN: await cards["connect"].click()
    cards["connect"]

Nothing here prints, and no exception ends in a traceback: feedback goes through the widgets' traits.

Cards:
    walk_cards   a card for each step, their help texts, and the overview of all steps
    card         one step: its buttons, its task, and what is redrawn when the walk changes
    status       the icon and colour of each status
    receipt      a card as static HTML: heading, status line, error box
    file_card    the onboarding as YAML, to load, paste and save

What a step found, on its card:
    results      chooses how to show a step's result; labels of simple values
    findings     the bucket's findings, with a filter by verdict
    plan         the changes of a plan
    documents    IAM policies, Terraform and AWS commands, to copy or download

Forms:
    walk_forms   the form of each step: which fields, and where its values go
    form         a form made from a pydantic model; several forms, or a table, on one card
    fields       an input for each kind of field
    secret       the input for a secret, which leaves nothing behind
"""

from opslib.widgets.card import StepCancelled, StepCard
from opslib.widgets.form import Form
from opslib.widgets.secret import SecretField
from opslib.widgets.walk_cards import WalkCards, auto_run

__all__ = ["Form", "SecretField", "StepCancelled", "StepCard", "WalkCards", "auto_run"]
