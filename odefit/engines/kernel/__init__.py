"""The kernel: steppers of our own, and formulas, as machine code that llvmlite makes.

On the way from formulas to a solution: `translation` puts formulas into a `graph` with their derivatives,
`model_ir` writes it as LLVM IR, of which compilation/ makes machine code; `stepping`, `tsitouras`, `rosenbrock` and
`members` are the steppers, which its `lowering` turns from Python into IR; `program` calls them, and `kernel_engine` is
what the rest of the house knows. The gradient of a function of all states is made from `reverse`, the chain rule
backwards through formulas, and `adjoint` and `stiff_adjoint`, the way back through the steps of both methods, with the
numbers of `tableaus`, which has them from the steppers.

Why it is made like this. numba would compile the same Python, but its import takes several times llvmlite's (0.03 s
of CPU) in every process, and it needs up to a second for each model. A C extension would need a wheel for every
platform and version of Python, and still something that compiles models. Here nothing is built ahead: LLVM makes
code for the processor at hand, the steppers once per machine and version (0.5 to 1 s), a model once (0.01 s for two
states, 0.2 s for a hundred), and the cache of programs keeps both.

What it costs to keep. The IR is text of LLVM's own language, which changes slowly but does change: a new llvmlite
is to be tried before its version is allowed in pyproject.toml. llvmlite follows new versions of Python with a delay
of months; until then diffsol serves. The library is 170 MB on disk. A fault in LLVM itself may end the process, so
no pass that vectorises or unrolls loops is run: vectors are written here. Only x86-64 on Linux was tried; nothing
in the text belongs to it but the widths of vectors, which LLVM splits where a processor has shorter ones.
"""
