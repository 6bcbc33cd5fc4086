"""Equations with networks inside, as machine code: solutions, their sensitivities, and gradients backwards.

torch records every operation of a solution, which takes a hundred times the arithmetic of a small network. Here a
solution is one call: `text` writes the formulas around the networks as LLVM IR, `dense` applies a network and takes its
gradient, `fields` joins both to the right-hand side, and `fixed_steps`, `adaptive_steps` and `backwards` step through
it, in the small Python that `compilation/lowering.py` makes machine code of. `program` calls them, `autograd` is
what torch sees.

A gradient is that of the numbers that were computed: the steps are taken again from their end to their beginning, each
with the transposed derivatives of its stages, while their widths stay as they are. It needs the states at all steps and
nothing else, and costs two to three solutions whatever the number of weights. Where tolerances are small, steps end at
the kinks of units such as relu (`kinks`, `kink_search`), over which a gradient errs by the root of what a state does.

In float64, on the CPU, one experiment after the other. Where llvmlite is missing, torch serves as it does for what
cannot be compiled: float32, other devices, potentials, and methods that the user chose by name.
"""
