"""Made-up personal data through a user's own pipeline, and what the destination then holds of it.

`plant` makes it, `shapes` puts it into logs, `send` sends it, `find` reads the destination, `judge`
says of each: leaked, masked or lost.
"""
