"""`python -m tests.chaos.launchers NAME[+NAME...] COMMAND...`: change this process, then run `ampstream COMMAND...`."""

import importlib
import sys

from ampstream.cli import main

if __name__ == "__main__":
    names = sys.argv.pop(1)
    for name in names.split("+"):
        importlib.import_module(f"tests.chaos.launchers.{name}").apply()
    main(prog_name="ampstream")
