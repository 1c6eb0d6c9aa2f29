"""How long the fault tests are: JEXEVENTS_FAULTS is "full" for the long form."""

import os

FULL = os.environ.get("JEXEVENTS_FAULTS") == "full"
