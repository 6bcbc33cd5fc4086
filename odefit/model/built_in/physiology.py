"""Cells, membranes and hormones."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
    Entry(
        "fitzhugh_nagumo",
        "Excitable membrane (v: voltage, w: recovery)",
        "FitzHugh (1961), Impulses and physiological states in theoretical models of nerve membrane, "
        "Biophys. J. 1:445-466; Nagumo, Arimoto & Yoshizawa (1962), An active pulse transmission line "
        "simulating nerve axon, Proc. IRE 50:2061-2070",
        (0.0, 100.0),
        {"v": "v - v^3/3 - w + current", "w": "(v + a - b*w)/tau"},
        {"a": 0.7, "b": 0.8, "tau": 12.5, "current": 0.5},
        {"v": -1.0, "w": 1.0},
        measured={"v": "v"},
    ),
    Entry(
        "goodwin",
        "Gene regulation with negative feedback (x: mRNA, y: protein, z: repressor)",
        "Goodwin (1965), Oscillatory behavior in enzymatic control processes, Adv. Enzyme Regul. 3:425-438",
        (0.0, 200.0),
        {"x": "k1*K^n/(K^n + z^n) - k2*x", "y": "k3*x - k4*y", "z": "k5*y - k6*z"},
        {"k1": 1.0, "k2": 0.1, "k3": 1.0, "k4": 0.1, "k5": 1.0, "k6": 0.1, "K": 1.0, "n": 10.0},
        {"x": 0.1, "y": 0.2, "z": 2.5},
    ),
    Entry(
        "minimal_glucose",
        "Glucose and insulin after an injection of glucose (G: glucose, X: action of insulin, I: insulin)",
        "Bergman, Ider, Bowden & Cobelli (1979), Quantitative estimation of insulin sensitivity, Am. J. Physiol. "
        "236:E667-E677; Toffolo, Bergman, Finegood, Bowden & Cobelli (1980), Quantitative estimation of beta cell "
        "sensitivity to insulin in the intact organism, Diabetes 29:979-990",
        (0.0, 180.0),
        {
            "G": "-(p1 + X)*G + p1*Gb",
            "X": "-p2*X + p3*(I - Ib)",
            "I": "gamma*max(G - h, 0)*t - n*(I - Ib)",
        },
        {"p1": 0.03, "p2": 0.02, "p3": 1.0e-5, "Gb": 92.0, "Ib": 11.0, "gamma": 0.004, "h": 90.0, "n": 0.25},
        {"G": 280.0, "X": 0.0, "I": 360.0},
        measured={"G": "G", "I": "I"},
        notes="Minutes since the injection, mg/dl, microunits/ml. Insulin sensitivity is p3/p2. With measured insulin "
        "as an input, leave its equation out.",
        known=("Gb", "Ib"),
    ),
    Entry(
        "hodgkin_huxley",
        "Action potentials of the squid axon (v: mV; n, m, h: gates)",
        "Hodgkin & Huxley (1952), A quantitative description of membrane current and its application to conduction and "
        "excitation in nerve, J. Physiol. 117:500-544",
        (0.0, 50.0),
        {
            "v": "(current - g_Na*m^3*h*(v - E_Na) - g_K*n^4*(v - E_K) - g_L*(v - E_L))/C",
            "n": "0.01*(v + 55)/(1 - exp(-(v + 55)/10))*(1 - n) - 0.125*exp(-(v + 65)/80)*n",
            "m": "0.1*(v + 40)/(1 - exp(-(v + 40)/10))*(1 - m) - 4*exp(-(v + 65)/18)*m",
            "h": "0.07*exp(-(v + 65)/20)*(1 - h) - 1/(1 + exp(-(v + 35)/10))*h",
        },
        {"C": 1.0, "g_Na": 120.0, "g_K": 36.0, "g_L": 0.3, "E_Na": 50.0, "E_K": -77.0, "E_L": -54.4, "current": 10.0},
        {"v": -65.0, "n": 0.318, "m": 0.053, "h": 0.596},
        measured={"v": "v"},
        notes="Milliseconds, mV, mS/cm², µA/cm²; the resting potential is -65 mV.",
        known=("C", "E_Na", "E_K", "E_L", "current"),
    ),
    Entry(
        "channel_gate",
        "A gate of an ion channel under voltage clamp (n: the share that is open)",
        "Hodgkin & Huxley (1952), A quantitative description of membrane current and its application to conduction and "
        "excitation in nerve, J. Physiol. 117:500-544; with exponential rates: Beattie et al. (2018), Sinusoidal "
        "voltage protocols for rapid characterisation of ion channel kinetics, J. Physiol. 596:1813-1828",
        (0.0, 12.0),
        {"n": "k_open*exp(b_open*v)*(1 - n) - k_close*exp(-b_close*v)*n"},
        {"k_open": 0.6, "b_open": 0.025, "k_close": 0.06, "b_close": 0.0125, "v": -20.0},
        {"n": 0.32},
        notes="v is the clamped voltage in mV: a column `v` in the table of experiments, or an input. Observe the "
        "current, as `current: g*n^4*(v - E_K)`.",
        known=("v",),
    ),
)
