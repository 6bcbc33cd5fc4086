"""An SBML file, checked and read by libsbml: from strangers, so without entities, network or depths.

The text is first gone through by expat, which resolves nothing: a document type (the only way to entities and to other
files) is refused, and so is a nesting that libsbml's recursion may not survive.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from odefit.errors import ConfigError, Fault
from odefit.interop.files import read_bytes
from odefit.text import clip, counted, show

if TYPE_CHECKING:
    from odefit.interop.sbml_math import Sbml

MAX_BYTES = 100_000_000
"""The largest SBML file; the longest models of BioModels have 30 MB."""
MAX_DEPTH = 250
"""The deepest that elements may stand in each other."""
MAX_FAULTS = 20
FORGIVEN = frozenset({21121})
"""Errors that change no value: a species in a rate law that the reaction does not list as a modifier."""
HARMLESS = frozenset({"l3v2extendedmath"})
"""Packages that libsbml reads as parts of the core."""
MISSING = (
    'reading SBML needs python-libsbml, which is not installed: pip install "odefit[petab]" (or python-libsbml alone)'
)


def libsbml_module() -> Any:
    """The library. Raises ConfigError where it is not installed."""
    try:
        import libsbml
    except ModuleNotFoundError:
        raise ConfigError("", MISSING) from None
    return libsbml


def read_sbml(path: Path) -> Sbml:
    """The model of a file, which libsbml found in order.

    Raises
    ------
    ConfigError
        The file is missing, too large, no XML or no SBML, has errors, or needs a package that changes the mathematics.
    """
    from odefit.interop.sbml_math import Sbml

    content = read_bytes(path, MAX_BYTES, "an SBML file")
    packages = check_xml(content, path) - HARMLESS
    libsbml = libsbml_module()
    document = libsbml.readSBMLFromString(_as_utf8(content, path))
    for category in (
        libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
        libsbml.LIBSBML_CAT_MODELING_PRACTICE,
        libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
    ):
        document.setConsistencyChecks(category, False)
    if "comp" in packages and _flattened(libsbml, document):
        packages -= {"comp"}
    if not document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) + document.getNumErrors(libsbml.LIBSBML_SEV_FATAL):
        document.checkConsistency()
    faults = [
        Fault(f"{show(path)}:{error.getLine()}", _sentence(error))
        for error in map(document.getError, range(document.getNumErrors()))
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR and error.getErrorId() not in FORGIVEN
    ]
    faults += [
        Fault(show(path), f"needs SBML's package '{clip(name)}', which odefit does not read")
        for name in sorted(packages)
    ]
    model = document.getModel()
    if model is None and not faults:
        faults.append(Fault(show(path), "holds no model: give a file that begins with <sbml>"))
    if faults:
        if len(faults) > MAX_FAULTS:
            faults = [*faults[:MAX_FAULTS], Fault(show(path), f"and {counted(len(faults) - MAX_FAULTS, 'more')}")]
        raise ConfigError(faults=faults)
    return Sbml(path, libsbml, document, model)


def _flattened(libsbml: Any, document: Any) -> bool:
    """A model that is put together of others is written out as one, unless these stand in other files."""
    plugin = document.getPlugin("comp")
    if plugin is None or plugin.getNumExternalModelDefinitions():
        return False
    properties = libsbml.ConversionProperties()
    properties.addOption("flatten comp", True)
    properties.addOption("performValidation", False)
    return bool(document.convert(properties) == libsbml.LIBSBML_OPERATION_SUCCESS)


def check_xml(content: bytes, path: Path) -> frozenset[str]:
    """The packages that a file says are needed to understand its mathematics.

    Raises
    ------
    ConfigError
        It is no XML, has a document type, or elements deeper in each other than `MAX_DEPTH`.
    """
    parser = expat.ParserCreate()
    depth, needed = 0, set[str]()

    def refuse(what: str) -> None:
        raise ConfigError(f"{show(path)}:{parser.CurrentLineNumber}", what)

    def begin(_name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 1:
            needed.update(
                key.removesuffix(":required")
                for key, value in attributes.items()
                if key.endswith(":required") and value in ("true", "1")
            )
        if depth > MAX_DEPTH:
            refuse(f"elements stand more than {MAX_DEPTH} deep in each other")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: Any) -> None:
        refuse("has a document type (<!DOCTYPE …>), which SBML has not: remove it")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ConfigError(f"{show(path)}:{error.lineno}", f"is no XML: {expat.ErrorString(error.code)}") from None
    return frozenset(needed)


def _as_utf8(content: bytes, path: Path) -> str:
    """The text; SBML is UTF-8 by its specification."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{show(path)}:{line}", "is not UTF-8 text, as SBML must be: save it as UTF-8") from None


def _sentence(error: Any) -> str:
    """libsbml's message on one line, without its reference to the specification."""
    lines = [line.strip() for line in error.getMessage().splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Reference:")]
    # What is wrong here comes last, after the rule that it breaks.
    return clip(f"{error.getShortMessage()}: {told[-1] if told else ''}".rstrip(": "), 300)
