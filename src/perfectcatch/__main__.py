"""``python -m perfectcatch`` is the ``perfectcatch`` command."""

from perfectcatch.cli import main

if __name__ == "__main__":
    main()
