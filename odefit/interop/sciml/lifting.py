"""Calls of networks in the table of experiments, as parameters of their own: a cell names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from odefit.interop.draft import Draft, DraftParameter
from odefit.interop.mathematics import CALL, Call, Name, Tree


def with_calls_as_parameters(draft: Draft, outputs: Mapping[str, Tree]) -> Draft:
    """A draft in whose cells no network is called.

    Parameters
    ----------
    draft
        With the table of experiments.
    outputs
        Calls by the ids that the problem has for them, by which parameters are called where they can.
    """
    if draft.experiments is None:
        return draft
    ids = {tree: name for name, tree in outputs.items()}
    taken = {*draft.equations, *draft.expressions, *draft.observables, *draft.experiments.header}
    taken |= {parameter.name for parameter in draft.parameters}
    lifted: dict[Tree, str] = {}

    def lift(tree: Tree) -> Tree:
        if not isinstance(tree, Call):
            return tree
        if not tree.function.startswith(CALL):
            return replace(tree, arguments=tuple(map(lift, tree.arguments)))
        if tree not in lifted:
            name = ids.get(tree, f"{tree.function.removeprefix(CALL).replace(' ', '_')}_set")
            while name in taken:
                name += "_"
            taken.add(name)
            lifted[tree] = name
        return Name(lifted[tree])

    table = draft.experiments.mapped(lift)
    made = [DraftParameter(name, formula=tree) for tree, name in lifted.items()]
    return replace(draft, experiments=table, parameters=[*draft.parameters, *made]) if made else draft
