"""PEtab-SciML: PEtab problems with networks, read and written."""
