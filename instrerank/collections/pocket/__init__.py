"""`pocket`, the bundled collection: 30 topics over some 350 passages, written for this project."""

from pathlib import Path

POCKET = Path(__file__).parent
"""The folder of its files, in the formats that every other collection comes in."""
