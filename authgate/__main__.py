"""`python -m authgate` is the command `authgate`."""

from authgate.cli import main

main()
