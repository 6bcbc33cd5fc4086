"""The field's own formats, SBML and PEtab, read into odefit's own YAML and CSV."""
