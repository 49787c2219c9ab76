"""`python -m bot` is `daogou`."""

import sys

from bot.cli import main

sys.exit(main())
