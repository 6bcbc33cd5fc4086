"""An odefit problem as PEtab version 2 with SBML."""
