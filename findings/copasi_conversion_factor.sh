#!/usr/bin/env bash
# copasi-basico 0.92 (python-copasi 4.48.311) simulates an SBML model as if its species had no conversion factors.
#
# SBML level 3 has a species' amount change by its conversion factor times the extent of each reaction (section 4.6.6 of
# the specification of version 2). In a compartment of size 1, with A -> at the rate 0.5 A and a factor of 2, A is
# exp(-2*0.5*t); libroadrunner has that, COPASI exp(-0.5*t). Nothing says that the attribute was left out.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "copasi-basico==0.92" "python-copasi==4.48.311" "libroadrunner==2.9.2" "python-libsbml==5.21.2"
cat > "$work/model.xml" <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">
  <model id="decay">
    <listOfCompartments><compartment id="cell" size="1" spatialDimensions="3" constant="true"/></listOfCompartments>
    <listOfSpecies>
      <species id="A" compartment="cell" initialConcentration="1" conversionFactor="c" hasOnlySubstanceUnits="false"
               boundaryCondition="false" constant="false"/>
    </listOfSpecies>
    <listOfParameters>
      <parameter id="c" value="2" constant="true"/>
      <parameter id="k" value="0.5" constant="true"/>
    </listOfParameters>
    <listOfReactions>
      <reaction id="r" reversible="false">
        <listOfReactants><speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>
        <kineticLaw>
          <math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>k</ci><ci>A</ci></apply></math>
        </kineticLaw>
      </reaction>
    </listOfReactions>
  </model>
</sbml>
XML
cd "$work"
"$work/venv/bin/python" - <<'PY'
import math

import basico
import libsbml
import roadrunner

document = libsbml.readSBMLFromFile("model.xml")
document.checkConsistency()
errors = [document.getError(i) for i in range(document.getNumErrors())]
assert not [e for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR], "the model is valid SBML"
basico.load_model("model.xml")
copasi = float(basico.run_time_course(start_time=0, duration=1, intervals=1, r_tol=1e-9, a_tol=1e-12)["A"].iloc[-1])
runner = roadrunner.RoadRunner("model.xml")
other = float(runner.simulate(0, 1, 2)[-1, 1])
print(f"A(1): COPASI {copasi:.6f}, libroadrunner {other:.6f}, exp(-1) {math.exp(-1):.6f}, exp(-0.5) {math.exp(-0.5):.6f}")
assert abs(other - math.exp(-1)) < 1e-4
assert abs(copasi - math.exp(-0.5)) < 1e-4, "it has changed: the conversion factor counts"
PY
