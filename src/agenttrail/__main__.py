"""`python -m agenttrail` is `agenttrail`."""

import sys

from agenttrail.cli import main

sys.exit(main())
