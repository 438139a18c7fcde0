"""Stage 4: privacy. A mask makes the only events that a sink takes."""

from agenttrail.masks.presidio import PresidioOptions

MaskOptions = PresidioOptions
