"""`python -m ampstream`, the same as `ampstream`."""

from ampstream.cli import main

if __name__ == "__main__":
    main()
