"""`python -m autotrader` is the command line."""

import sys

from autotrader.cli import main

sys.exit(main())
