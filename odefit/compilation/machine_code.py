"""LLVM IR to machine code by llvmlite: made once, then read from the cache of programs.

No pass that vectorises runs: vectors are written by hand, so that what is run does not depend on what a
version of LLVM makes of loops.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from odefit.compilation import program_cache
from odefit.compilation.mathematics import FUNCTIONS, LOWERED

ROOM = "odefit.compilation."
LOWERING = ("lowering", "ir_ranges", "ir_expressions")
"""The modules that make IR of Python, imported where what they make is not in the cache of programs."""
FAULTS = (RuntimeError, OSError, AttributeError, TypeError)
"""What is raised where llvmlite does not work on a machine: by LLVM, or by the library of mathematics."""
MAX_OPTIMISED = 20_000
"""Characters of a text that passes run over: a model's text has each part once already, and there is little to gain."""


def missing() -> str | None:
    """Why there can be no machine code here, as a sentence; None where llvmlite can be loaded."""
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        return f"llvmlite cannot be imported ({error})"
    except OSError as error:  # its library does not fit this system
        return f"llvmlite cannot be loaded ({error})"
    return None if hasattr(llvm, "create_pass_builder") else "this version of llvmlite is too old"


class MachineCode:
    """The functions of one text, in memory as long as this object lives."""

    def __init__(self, source: str, text: Callable[[], str], level: int) -> None:
        """Link the code of a text; `source` determines the text, which is made where it is needed."""
        key = program_cache.key_of("llvm", _compiler(), str(level), source)
        content = program_cache.load(key)
        if content is not None:
            try:
                self._link(content)
                return
            except Exception:
                program_cache.forget(key)
        content = _compiled(text(), level)
        program_cache.store(key, content)
        self._link(content)

    def _link(self, content: bytes) -> None:
        llvm = _initialized()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(content))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Where a function is."""
        return int(self._engine.get_function_address(name))


@lru_cache(maxsize=1)
def _initialized() -> Any:
    """llvmlite, ready; with the functions that machine code calls."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    library = ctypes.CDLL(None)
    if not hasattr(library, "acosh"):
        from ctypes.util import find_library

        library = ctypes.CDLL(find_library("m"))
    for name in dict.fromkeys((*FUNCTIONS, *LOWERED, "pow")):
        llvm.add_symbol(name, ctypes.cast(getattr(library, name), ctypes.c_void_p).value)
    return llvm


@lru_cache(maxsize=1)
def _compiler() -> str:
    """What code depends on besides its text: LLVM, what it is told to do here, and the processor as LLVM knows it."""
    import llvmlite

    llvm = _initialized()
    processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    (passes,) = texts([ROOM + "machine_code"])
    return "\n".join([llvmlite.__version__, str(llvm.llvm_version_info), *processor, passes])


def _target_machine() -> Any:
    llvm = _initialized()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)


def _compiled(text: str, level: int) -> bytes:
    llvm = _initialized()
    machine = _target_machine()
    module = llvm.parse_assembly(text)
    module.data_layout, module.triple = str(machine.target_data), machine.triple
    module.verify()
    if len(text) < MAX_OPTIMISED or level > 1:
        options = llvm.create_pipeline_tuning_options(speed_level=level)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
    return bytes(machine.emit_object(module))


def code_of_modules(modules: Sequence[str], entry_points: Sequence[str]) -> MachineCode:
    """The machine code of functions in the language of lowering.py, which stand in modules: read, not imported."""
    sources = texts(modules)

    def lowered() -> str:
        from odefit.compilation import lowering

        return lowering.lowered(sources, entry_points)

    return MachineCode("\n".join([*texts([ROOM + name for name in LOWERING]), *sources]), lowered, 2)


def texts(modules: Sequence[str]) -> list[str]:
    """The texts of modules, none of which is imported for that."""
    specs = [find_spec(name) for name in modules]
    return [spec.loader.get_source(spec.name) for spec in specs]  # type: ignore[union-attr]


def code_of(text: str) -> MachineCode:
    """The functions of a text in IR."""
    return MachineCode(text, lambda: text, 1)
