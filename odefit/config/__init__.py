"""What the user wrote: the schema, and YAML with line numbers."""
