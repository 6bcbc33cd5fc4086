"""The model as SBML, level 3 version 2, by libsbml."""

from __future__ import annotations

from typing import Any

from odefit.errors import ModelError
from odefit.interop.mathematics import Number, Tree
from odefit.interop.petab_export.problem import ModelEvent, SbmlModel
from odefit.interop.petab_export.trees import text_of
from odefit.interop.sbml_reading import libsbml_module


def sbml_text(model: SbmlModel) -> str:
    """The file. Raises ConfigError where libsbml is not installed, ModelError where it finds fault with the model."""
    library = libsbml_module()
    document = library.SBMLDocument(3, 2)
    made = document.createModel()
    made.setId(model.id)
    for name, value in model.constants.items():
        _parameter(made, name, value, constant=True)
    for name, value in model.levels.items():
        _parameter(made, name, value, constant=False)
    for name in model.rules:
        _parameter(made, name, 0.0, constant=False)
    for name in model.rates:
        start = model.initial.get(name)
        _parameter(made, name, start.value if isinstance(start, Number) else 0.0, constant=False)
    writer = _Writer(library, made)
    for name, start in model.initial.items():
        if not isinstance(start, Number):
            assignment = made.createInitialAssignment()
            assignment.setSymbol(name)
            assignment.setMath(writer.math(start))
    for name, formula in model.rules.items():
        rule = made.createAssignmentRule()
        rule.setVariable(name)
        rule.setMath(writer.math(formula))
    for name, rate in model.rates.items():
        rule = made.createRateRule()
        rule.setVariable(name)
        rule.setMath(writer.math(rate))
    for event in model.events:
        writer.event(event)
    faults = document.checkInternalConsistency()
    if faults:
        raise ModelError("", f"the model is no valid SBML: {document.getError(0).getMessage().strip()}")
    return str(library.writeSBMLToString(document))


def _parameter(model: Any, name: str, value: float, constant: bool) -> None:
    parameter = model.createParameter()
    parameter.setId(name)
    parameter.setConstant(constant)
    parameter.setValue(value)


class _Writer:
    def __init__(self, library: Any, model: Any) -> None:
        self.library, self.model = library, model
        self.settings = library.L3ParserSettings()
        self.settings.setModel(model)

    def math(self, tree: Tree) -> Any:
        """libsbml's tree, by its parser: every operation is in brackets, and names of the model come before others."""
        text = text_of(tree)
        node = self.library.parseL3FormulaWithSettings(text, self.settings)
        if node is None:
            raise ModelError("", f"SBML cannot hold '{text}': {self.library.getLastParseL3Error()}")
        return node

    def event(self, event: ModelEvent) -> None:
        made = self.model.createEvent()
        made.setId(event.id)
        made.setUseValuesFromTriggerTime(event.early_values)
        trigger = made.createTrigger()
        trigger.setInitialValue(not event.at_start)
        trigger.setPersistent(event.persistent)
        trigger.setMath(self.math(event.trigger))
        if event.delay is not None:
            made.createDelay().setMath(self.math(event.delay))
        if event.priority is not None:
            made.createPriority().setMath(self.math(event.priority))
        for name, value in event.changes.items():
            assignment = made.createEventAssignment()
            assignment.setVariable(name)
            assignment.setMath(self.math(value))
