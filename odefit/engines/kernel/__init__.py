"""The kernel: steppers of our own, and formulas, as machine code that llvmlite makes."""
