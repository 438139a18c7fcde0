"""`python -m agenttrail` is `agenttrail`."""

import sys

from agenttrail.cli import main

if __name__ == "__main__":
    sys.exit(main())
