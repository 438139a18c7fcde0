"""A made-up company whose agents work for a month: logs in the real formats, and the truth about them.

The same seed gives the same bytes. Nobody in it exists: names are common ones put together by chance,
addresses are of example domains, phone and account numbers are of no one.
"""
