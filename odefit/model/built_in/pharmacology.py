"""Drugs: what the body does with them, and what they do to it."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
    Entry(
        "one_compartment_oral",
        "Oral drug, one compartment (gut, central: amounts; concentration is central/V)",
        "Gibaldi & Perrier (1982), Pharmacokinetics, 2nd ed., Marcel Dekker, New York",
        (0.0, 24.0),
        {"gut": "-ka*gut", "central": "ka*gut - CL/V*central"},
        {"ka": 1.5, "CL": 2.8, "V": 32.0},
        {"gut": 320.0, "central": 0.0},
        measured={"conc": "central/V"},
    ),
    Entry(
        "two_compartment_oral",
        "Oral drug, two compartments (gut, central, peripheral: amounts; concentration is central/V1)",
        "Gibaldi & Perrier (1982), Pharmacokinetics, 2nd ed., Marcel Dekker, New York",
        (0.0, 48.0),
        {
            "gut": "-ka*gut",
            "central": "ka*gut - CL/V1*central - Q/V1*central + Q/V2*peripheral",
            "peripheral": "Q/V1*central - Q/V2*peripheral",
        },
        {"ka": 1.2, "CL": 5.0, "V1": 20.0, "Q": 4.0, "V2": 40.0},
        {"gut": 100.0, "central": 0.0, "peripheral": 0.0},
        measured={"conc": "central/V1"},
        notes="An infusion or a bolus is a dose into `central`. Exchanged ka and rate constants fit equally well.",
    ),
    Entry(
        "one_compartment_iv",
        "Drug into the blood, one compartment: bolus or infusion (central: amount; concentration is central/V)",
        "Gibaldi & Perrier (1982), Pharmacokinetics, 2nd ed., Marcel Dekker, New York",
        (0.0, 24.0),
        {"central": "-CL/V*central"},
        {"CL": 2.8, "V": 32.0},
        {"central": 320.0},
        measured={"conc": "central/V"},
        notes="An infusion is a dose into `central` with a duration or a rate; `central` then begins with 0.",
    ),
    Entry(
        "two_compartment_iv",
        "Drug into the blood, two compartments: bolus or infusion (central, peripheral: amounts; concentration is "
        "central/V1)",
        "Gibaldi & Perrier (1982), Pharmacokinetics, 2nd ed., Marcel Dekker, New York",
        (0.0, 48.0),
        {
            "central": "-CL/V1*central - Q/V1*central + Q/V2*peripheral",
            "peripheral": "Q/V1*central - Q/V2*peripheral",
        },
        {"CL": 5.0, "V1": 20.0, "Q": 4.0, "V2": 40.0},
        {"central": 100.0, "peripheral": 0.0},
        measured={"conc": "central/V1"},
        notes="An infusion is a dose into `central` with a duration or a rate; `central` then begins with 0.",
    ),
    Entry(
        "one_compartment_infusion",
        "One infusion at a constant rate into one compartment (central: amount; concentration is central/V)",
        "Gibaldi & Perrier (1982), Pharmacokinetics, 2nd ed., Marcel Dekker, New York",
        (0.0, 12.0),
        {"central": "piecewise(rate, t < duration, 0) - CL/V*central"},
        {"CL": 2.8, "V": 32.0, "rate": 160.0, "duration": 2.0},
        {"central": 0.0},
        measured={"conc": "central/V"},
        notes="rate and duration are those of the pump. For several infusions take one_compartment_iv, with doses.",
        known=("rate", "duration"),
    ),
    Entry(
        "transit_absorption",
        "Oral drug that is absorbed late, by way of three transit compartments (amounts)",
        "Savic, Jonker, Kerbusch & Karlsson (2007), Implementation of a transit compartment model for describing drug "
        "absorption in pharmacokinetic studies, J. Pharmacokinet. Pharmacodyn. 34:711-726",
        (0.0, 24.0),
        {
            "depot": "-4/MTT*depot",
            "transit1": "4/MTT*depot - 4/MTT*transit1",
            "transit2": "4/MTT*transit1 - 4/MTT*transit2",
            "transit3": "4/MTT*transit2 - 4/MTT*transit3",
            "gut": "4/MTT*transit3 - ka*gut",
            "central": "ka*gut - CL/V*central",
        },
        {"MTT": 1.5, "ka": 1.5, "CL": 2.8, "V": 32.0},
        {"depot": 320.0, "transit1": 0.0, "transit2": 0.0, "transit3": 0.0, "gut": 0.0, "central": 0.0},
        measured={"conc": "central/V"},
        notes="MTT is the mean time from the depot to the gut, of four equal steps. Doses go into `depot`.",
    ),
    Entry(
        "effect_compartment",
        "An effect that lags behind the concentration (C: in plasma, Ce: at the effect)",
        "Sheiner, Stanski, Vozeh, Miller & Ham (1979), Simultaneous modeling of pharmacokinetics and pharmacodynamics: "
        "application to d-tubocurarine, Clin. Pharmacol. Ther. 25:358-371",
        (0.0, 12.0),
        {"C": "-k*C", "Ce": "ke0*(C - Ce)"},
        {"k": 0.3, "ke0": 0.8},
        {"C": 10.0, "Ce": 0.0},
        measured={"C": "C", "effect": "E0 + Emax*Ce/(EC50 + Ce)"},
        of_measured={"E0": 10.0, "Emax": 90.0, "EC50": 2.0},
        notes="The effect is an observable, with parameters of its own: `effect: E0 + Emax*Ce^h/(EC50^h + Ce^h)`.",
    ),
    Entry(
        "emax",
        "An effect that follows the concentration at once: Emax model (C: concentration)",
        "Holford & Sheiner (1981), Understanding the dose-effect relationship: clinical application of "
        "pharmacokinetic-pharmacodynamic models, Clin. Pharmacokinet. 6:429-453",
        (0.0, 12.0),
        {"C": "-k*C"},
        {"k": 0.3},
        {"C": 10.0},
        measured={"C": "C", "effect": "E0 + Emax*C/(EC50 + C)"},
        of_measured={"E0": 10.0, "Emax": 90.0, "EC50": 2.0},
        notes="The effect is an observable; with a Hill coefficient `effect: E0 + Emax*C^h/(EC50^h + C^h)`.",
    ),
    Entry(
        "indirect_response",
        "A response whose production is inhibited (C: concentration, response)",
        "Dayneka, Garg & Jusko (1993), Comparison of four basic models of indirect pharmacodynamic responses, "
        "J. Pharmacokinet. Biopharm. 21:457-478",
        (0.0, 72.0),
        {"C": "-k*C", "response": "kin*(1 - Imax*C/(IC50 + C)) - kout*response"},
        {"k": 0.2, "kin": 10.0, "kout": 0.1, "Imax": 0.9, "IC50": 1.0},
        {"C": 20.0, "response": 100.0},
        notes="Before the drug the response is kin/kout: say so under `initial`.",
    ),
    Entry(
        "tmdd",
        "Target-mediated drug disposition (C: free drug, R: free target, RC: complex)",
        "Mager & Jusko (2001), General pharmacokinetic model for drugs exhibiting target-mediated drug disposition, "
        "J. Pharmacokinet. Pharmacodyn. 28:507-532",
        (0.0, 40.0),
        {
            "C": "-kel*C - kon*C*R + koff*RC",
            "R": "ksyn - kdeg*R - kon*C*R + koff*RC",
            "RC": "kon*C*R - (koff + kint)*RC",
        },
        {"kel": 0.1, "kon": 0.5, "koff": 0.05, "ksyn": 1.0, "kdeg": 0.1, "kint": 0.2},
        {"C": 100.0, "R": 10.0, "RC": 0.0},
        notes="Concentrations. Before the drug the target is ksyn/kdeg: say so under `initial`.",
    ),
)
