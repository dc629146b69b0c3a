"""``python -m perfectcatch.settings env-example|markdown`` writes a document to stdout."""

import sys

from perfectcatch.errors import BadSetting
from perfectcatch.settings.documents import env_example, markdown


def main(arguments: list[str]) -> int:
    """Write the document that is named; returns the exit status."""
    documents = {"env-example": env_example, "markdown": markdown}
    if len(arguments) != 1 or arguments[0] not in documents:
        sys.stderr.write("usage: python -m perfectcatch.settings env-example|markdown\n")
        return BadSetting.exit_status
    sys.stdout.write(documents[arguments[0]]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
