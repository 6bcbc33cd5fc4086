"""What any part of the house may have compiled: `lowering` writes a small part of Python as LLVM IR, `machine_code` has
it compiled by llvmlite, and `program_cache` keeps what any compiler has made for the next process."""
