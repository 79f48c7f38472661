"""The one console that commands print to."""

import sys

from rich.console import Console

# Rich takes 80 columns where there is no terminal; a matrix of eleven tasks needs more.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
