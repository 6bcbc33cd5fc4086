"""Multiple shooting of equations: short solutions from free states, whose ends come to meet the next ones' starts."""
