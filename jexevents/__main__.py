"""``python -m jexevents`` is the same as ``jexevents``."""

import sys

from jexevents.cli import main

sys.exit(main())
