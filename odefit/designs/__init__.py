"""Which of several experiments would tell most, before any of them is made."""
