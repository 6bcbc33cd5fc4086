"""Tables that are more than a plain CSV file: bytes -> text -> cells -> header and rows."""
