"""The ``perfectcatch`` command, also as ``python -m perfectcatch``."""

from perfectcatch.kit import collector


def main() -> None:
    """Run the command line, whose imports are most of what a short command does."""
    collector.begin()
    from perfectcatch.cli import main as command

    command()


if __name__ == "__main__":
    main()
