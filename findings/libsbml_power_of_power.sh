#!/usr/bin/env bash
# python-libsbml 5.21.2: a formula's text form loses the brackets of a power of a power.
#
# (a^b)^c is written by formulaToL3String as `a^b^c`, which parseL3Formula, its counterpart, reads as a^(b^c): with
# a, b, c = 2, 3, 2 that is 64 before and 512 after. a^(b^c) keeps its brackets. The older formulaToString writes
# both as `a^b^c`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "python-libsbml==5.21.2"
"$work/venv/bin/python" - <<'PY'
import libsbml


def value(node, names):
    """Of a tree of names and powers."""
    if node.getType() == libsbml.AST_NAME:
        return names[node.getName()]
    return value(node.getChild(0), names) ** value(node.getChild(1), names)


names = {"a": 2, "b": 3, "c": 2}
tree = libsbml.parseL3Formula("(a^b)^c")
text = libsbml.formulaToL3String(tree)
again = libsbml.parseL3Formula(text)
print("(a^b)^c is written as", text)
print("value of the tree:", value(tree, names), "- of the tree read back from the text:", value(again, names))
print("a^(b^c) is written as", libsbml.formulaToL3String(libsbml.parseL3Formula("a^(b^c)")))
assert value(tree, names) == 64
assert text == "a^b^c" and value(again, names) == 512, "it has changed: the brackets are kept"
PY
