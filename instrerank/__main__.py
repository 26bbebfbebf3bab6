"""`python -m instrerank`, the same as `instrerank`."""

import sys

from instrerank.cli import main

sys.exit(main())
