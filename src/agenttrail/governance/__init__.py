"""What people decided about their agents: who owns them, what they may do, what they may cost.

Files that people write (registry, policy, prices) are read here, and what must be remembered between
batches and over restarts is kept here. Enrichers use it in the stream, reports and checks over history.
"""
