"""One set of lines through every way in, and the same bytes out."""
