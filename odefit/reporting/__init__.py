"""A run as one HTML document: what was asked, what came out, how sure it is, and how to do it again."""
