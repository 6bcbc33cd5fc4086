"""The compiled engine: formulas as DiffSL, programs of diffsol, and guards around them."""
