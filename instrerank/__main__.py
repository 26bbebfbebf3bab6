"""The command `instrerank`, and `python -m instrerank`: the exit code of an interrupt from the first moment on."""

import os
import signal
import sys


def command() -> int:
    """Run the command line; an interrupt before or after its work ends the process without traceback."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from instrerank.cli import main

    try:
        return main()
    finally:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))


if __name__ == "__main__":
    sys.exit(command())
