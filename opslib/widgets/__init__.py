"""Cards over the steps, for notebooks: the only room that imports ipywidgets.

    cards = WalkCards(walk)
    if AUTO_RUN: await cards["connect"].click()
    cards["connect"]

Nothing here prints, and no exception ends in a traceback: feedback goes through the widgets' traits.
"""

from opslib.widgets.card import StepCancelled, StepCard
from opslib.widgets.form import Form
from opslib.widgets.secret import SecretField
from opslib.widgets.walk_cards import WalkCards, auto_run

__all__ = ["Form", "SecretField", "StepCancelled", "StepCard", "WalkCards", "auto_run"]
