"""agenttrail: masked, searchable audit logs of AI agents for the collectors and SIEM already there."""

__version__ = "0.1.0"
