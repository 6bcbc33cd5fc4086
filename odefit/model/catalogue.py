"""The built-in systems, written exactly as a user writes equations.

Four of them are families: the equations of `linear`, `mlp` and `potential` depend on the names of the states, and those
of `latent_ode` are about states that have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from odefit.errors import ModelError
from odefit.model.system import TIME, Network
from odefit.model.tokens import suggestion
from odefit.records import dataclass

NETWORK = "net"
"""The name of the network in built-in systems."""


@dataclass(frozen=True)
class Entry:
    """A built-in system. All numbers are without units.

    Parameters
    ----------
    name, title, reference
        Its name in a config, in words, and its source.
    time_span
        From the start to the end of an example.
    equations
        State -> formula of its time derivative, in the language of `parse_formula`.
    parameters
        Nominal values.
    initial
        Values of the states at the start of `time_span`.
    notes
        What a user should know.
    family
        Whether the equations follow from the names of the states (see `linear_equations`, `mlp_equations`), so that the
        mappings here are empty.
    """

    name: str
    title: str
    reference: str
    time_span: tuple[float, float]
    equations: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    initial: Mapping[str, float] = field(default_factory=dict)
    notes: str = ""
    family: bool = False


_ENTRIES = (
    Entry(
        "exponential_decay",
        "First-order decay",
        "Rutherford & Soddy (1902), The cause and nature of radioactivity, Phil. Mag. 4:370-396",
        (0.0, 10.0),
        {"y": "-k*y"},
        {"k": 0.5},
        {"y": 1.0},
    ),
    Entry(
        "logistic",
        "Logistic growth",
        "Verhulst (1838), Notice sur la loi que la population suit dans son accroissement, "
        "Corresp. Math. Phys. 10:113-121",
        (0.0, 10.0),
        {"x": "r*x*(1 - x/K)"},
        {"r": 1.0, "K": 10.0},
        {"x": 0.5},
    ),
    Entry(
        "gompertz",
        "Gompertz growth",
        "Gompertz (1825), On the nature of the function expressive of the law of human mortality, "
        "Phil. Trans. R. Soc. 115:513-583",
        (0.0, 15.0),
        {"x": "r*x*log(K/x)"},
        {"r": 0.5, "K": 10.0},
        {"x": 0.5},
    ),
    Entry(
        "damped_oscillator",
        "Damped harmonic oscillator (x: displacement, v: velocity)",
        "Rayleigh (1877), The Theory of Sound, vol. 1, ch. 3, Macmillan, London",
        (0.0, 20.0),
        {"x": "v", "v": "-omega^2*x - 2*zeta*omega*v"},
        {"omega": 1.5, "zeta": 0.1},
        {"x": 1.0, "v": 0.0},
    ),
    Entry(
        "van_der_pol",
        "Van der Pol oscillator (Liénard form)",
        "van der Pol (1926), On relaxation-oscillations, Phil. Mag. 2:978-992",
        (0.0, 20.0),
        {"x": "mu*(x - x^3/3 - y)", "y": "x/mu"},
        {"mu": 1.0},
        {"x": 2.0, "y": 0.0},
        notes="Stiff for large mu.",
    ),
    Entry(
        "duffing",
        "Duffing oscillator (driven; x: displacement, v: velocity)",
        "Duffing (1918), Erzwungene Schwingungen bei veränderlicher Eigenfrequenz und ihre technische "
        "Bedeutung, Vieweg, Braunschweig",
        (0.0, 30.0),
        {"x": "v", "v": "-delta*v - alpha*x - beta*x^3 + gamma*cos(omega*t)"},
        {"alpha": -1.0, "beta": 1.0, "delta": 0.3, "gamma": 0.2, "omega": 1.2},
        {"x": 1.0, "v": 0.0},
    ),
    Entry(
        "lotka_volterra",
        "Predator and prey (x: prey, y: predator)",
        "Lotka (1925), Elements of Physical Biology, Williams & Wilkins, Baltimore; "
        "Volterra (1926), Fluctuations in the abundance of a species considered mathematically, "
        "Nature 118:558-560",
        (0.0, 10.0),
        {"x": "alpha*x - beta*x*y", "y": "-delta*y + gamma*x*y"},
        {"alpha": 1.5, "beta": 1.0, "delta": 3.0, "gamma": 1.0},
        {"x": 2.5, "y": 2.5},
    ),
    Entry(
        "rosenzweig_macarthur",
        "Predator and prey with logistic growth and saturated predation (x: prey, y: predator)",
        "Rosenzweig & MacArthur (1963), Graphical representation and stability conditions of predator-prey "
        "interactions, Am. Nat. 97:209-223",
        (0.0, 100.0),
        {"x": "r*x*(1 - x/K) - a*x*y/(1 + a*h*x)", "y": "eta*a*x*y/(1 + a*h*x) - m*y"},
        {"r": 1.0, "K": 3.0, "a": 1.0, "h": 1.0, "eta": 0.6, "m": 0.25},
        {"x": 1.0, "y": 0.5},
    ),
    Entry(
        "sir",
        "Epidemic: susceptible, infected, recovered",
        "Kermack & McKendrick (1927), A contribution to the mathematical theory of epidemics, "
        "Proc. R. Soc. A 115:700-721",
        (0.0, 14.0),
        {"S": "-beta*S*I/(S + I + R)", "I": "beta*S*I/(S + I + R) - gamma*I", "R": "gamma*I"},
        {"beta": 1.7, "gamma": 0.45},
        {"S": 762.0, "I": 1.0, "R": 0.0},
    ),
    Entry(
        "seir",
        "Epidemic: susceptible, exposed, infectious, recovered",
        "Anderson & May (1991), Infectious Diseases of Humans, Oxford University Press",
        (0.0, 120.0),
        {
            "S": "-beta*S*I/(S + E + I + R)",
            "E": "beta*S*I/(S + E + I + R) - sigma*E",
            "I": "sigma*E - gamma*I",
            "R": "gamma*I",
        },
        {"beta": 0.5, "sigma": 0.2, "gamma": 0.2},
        {"S": 990.0, "E": 5.0, "I": 5.0, "R": 0.0},
    ),
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
    ),
    Entry(
        "lorenz",
        "Lorenz system (chaotic at the nominal values)",
        "Lorenz (1963), Deterministic nonperiodic flow, J. Atmos. Sci. 20:130-141",
        (0.0, 20.0),
        {"x": "sigma*(y - x)", "y": "x*(rho - z) - y", "z": "x*y - beta*z"},
        {"sigma": 10.0, "rho": 28.0, "beta": 8.0 / 3.0},
        {"x": 1.0, "y": 0.0, "z": 0.0},
        notes="beta is 8/3.",
    ),
    Entry(
        "rossler",
        "Rössler system (chaotic at the nominal values)",
        "Rössler (1976), An equation for continuous chaos, Phys. Lett. A 57:397-398",
        (0.0, 100.0),
        {"x": "-y - z", "y": "x + a*y", "z": "b + z*(x - c)"},
        {"a": 0.2, "b": 0.2, "c": 5.7},
        {"x": 1.0, "y": 1.0, "z": 0.0},
    ),
    Entry(
        "brusselator",
        "Oscillating reaction: Brusselator",
        "Prigogine & Lefever (1968), Symmetry breaking instabilities in dissipative systems II, "
        "J. Chem. Phys. 48:1695-1700",
        (0.0, 30.0),
        {"x": "a + x^2*y - (b + 1)*x", "y": "b*x - x^2*y"},
        {"a": 1.0, "b": 3.0},
        {"x": 1.0, "y": 1.0},
    ),
    Entry(
        "oregonator",
        "Oscillating reaction: Oregonator (Belousov-Zhabotinsky)",
        "Field & Noyes (1974), Oscillations in chemical systems IV, J. Chem. Phys. 60:1877-1884",
        (0.0, 360.0),
        {"x": "s*(y - x*y + x - q*x^2)", "y": "(z - y - x*y)/s", "z": "w*(x - z)"},
        {"s": 77.27, "q": 8.375e-6, "w": 0.161},
        {"x": 1.0, "y": 2.0, "z": 3.0},
        notes="Stiff.",
    ),
    Entry(
        "robertson",
        "Robertson's autocatalytic reaction",
        "Robertson (1966), The solution of a set of reaction rate equations, in J. Walsh (ed.), Numerical "
        "Analysis: An Introduction, Academic Press, London, pp. 178-182",
        (0.0, 1e4),
        {"A": "-k1*A + k3*B*C", "B": "k1*A - k2*B^2 - k3*B*C", "C": "k2*B^2"},
        {"k1": 0.04, "k2": 3e7, "k3": 1e4},
        {"A": 1.0, "B": 0.0, "C": 0.0},
        notes="Stiff. k1: A -> B, k2: 2 B -> B + C, k3: B + C -> A + C, numbered as Robertson has them.",
    ),
    Entry(
        "michaelis_menten",
        "Enzyme kinetics (S: substrate, P: product)",
        "Michaelis & Menten (1913), Die Kinetik der Invertinwirkung, Biochem. Z. 49:333-369",
        (0.0, 20.0),
        {"S": "-Vmax*S/(Km + S)", "P": "Vmax*S/(Km + S)"},
        {"Vmax": 1.0, "Km": 2.0},
        {"S": 10.0, "P": 0.0},
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
        "one_compartment_oral",
        "Oral drug, one compartment (gut, central: amounts; concentration is central/V)",
        "Gibaldi & Perrier (1982), Pharmacokinetics, 2nd ed., Marcel Dekker, New York",
        (0.0, 24.0),
        {"gut": "-ka*gut", "central": "ka*gut - CL/V*central"},
        {"ka": 1.5, "CL": 2.8, "V": 32.0},
        {"gut": 320.0, "central": 0.0},
    ),
    Entry(
        "linear",
        "Linear system dy/dt = A y, for any states",
        "Hirsch & Smale (1974), Differential Equations, Dynamical Systems, and Linear Algebra, "
        "Academic Press, New York",
        (0.0, 10.0),
        notes="Name the states in the config; the parameters are then a_11, a_12, ... "
        "(a_1_1, a_1_2, ... for ten states or more).",
        family=True,
    ),
    Entry(
        "mlp",
        "Neural vector field dy/dt = net(y), for any states",
        "Chen, Rubanova, Bettencourt & Duvenaud (2018), Neural ordinary differential equations, "
        "Adv. Neural Inf. Process. Syst. 31:6571-6583",
        (0.0, 10.0),
        notes="Name the states in the config; `hidden`, `activation` and `time_input` shape the network.",
        family=True,
    ),
    Entry(
        "potential",
        "Neural gradient flow dy/dt = -grad p(y), p a scalar network, for any states",
        "Hirsch & Smale (1974), Differential Equations, Dynamical Systems, and Linear Algebra, "
        "Academic Press, New York, chapter 9 (gradient systems)",
        (0.0, 10.0),
        notes="Name the states in the config; `hidden` and `activation` shape the network, `direction: ascent` turns "
        "the sign. The field has no curl, whatever the weights.",
        family=True,
    ),
    Entry(
        "latent_ode",
        "Latent ODE: many series, each from a start of its own in states that nobody measured",
        "Chen, Rubanova, Bettencourt & Duvenaud (2018), Neural ordinary differential equations, "
        "Adv. Neural Inf. Process. Syst. 31:6571-6583, section 5",
        (0.0, 10.0),
        notes="Name the measured columns in the config, `measured: [x, y]`; `hidden` and `activation` shape the field, "
        "the section `latent` the rest: `dimension`, `encoder`, `decoder`, `observed` (how much of a series is read).",
        family=True,
    ),
)
_BY_NAME: Mapping[str, Entry] = MappingProxyType({e.name: e for e in _ENTRIES})


def names() -> list[str]:
    """The names of the built-in systems, simple ones first."""
    return list(_BY_NAME)


def entry(name: str, where: str = "") -> Entry:
    """A built-in system by its name. Raises ModelError, with the list, when there is none."""
    try:
        return _BY_NAME[name]
    except KeyError:
        hint = suggestion(name, names())
        raise ModelError(where, f"unknown model '{name}'{hint}; the built-in ones are {', '.join(names())}") from None


def linear_equations(states: Sequence[str]) -> tuple[dict[str, str], dict[str, float]]:
    """dy/dt = A y: the equations of n states, and nominal values of a_11, a_12, ..., a_nn.

    The nominal A lets neighbouring states rotate into each other with slow damping (-0.1 on the diagonal,
    1 above and -1 below it).
    """
    _need_states(states, "linear")
    between = "_" if len(states) > 9 else ""
    nominal = {0: -0.1, 1: 1.0, -1: -1.0}
    equations: dict[str, str] = {}
    parameters: dict[str, float] = {}
    for i, state in enumerate(states, 1):
        terms = []
        for j, other in enumerate(states, 1):
            name = f"a_{i}{between}{j}"
            parameters[name] = nominal.get(j - i, 0.0)
            terms.append(f"{name}*{other}")
        equations[state] = " + ".join(terms)
    return equations, parameters


def mlp_equations(
    states: Sequence[str],
    hidden: Sequence[int] = (8, 16, 32),
    activation: str = "leaky_relu",
    time_input: bool = False,
) -> tuple[dict[str, str], Network]:
    """dy/dt = net(y), or net(t, y) with `time_input`: the equations, and the network that they call."""
    _need_states(states, "mlp")
    inputs = [TIME, *states] if time_input else list(states)
    network = Network(NETWORK, len(inputs), len(states), tuple(hidden), activation)
    call = f"{NETWORK}({', '.join(inputs)})"
    return {state: f"{call}[{k}]" for k, state in enumerate(states)}, network


def potential_equations(
    states: Sequence[str],
    hidden: Sequence[int] = (32, 32),
    activation: str = "tanh",
    direction: str = "descent",
) -> tuple[dict[str, str], Network]:
    """dy/dt = -grad p(y), or + for `ascent`, p a scalar network: the equations, and the network that they call."""
    _need_states(states, "potential")
    sign = 1 if direction == "ascent" else -1
    network = Network(NETWORK, len(states), len(states), tuple(hidden), activation, gradient=sign)
    call = f"{NETWORK}({', '.join(states)})"
    return {state: f"{call}[{k}]" for k, state in enumerate(states)}, network


def _need_states(states: Sequence[str], name: str) -> None:
    if not states:
        raise ModelError("", f"the model '{name}' needs the names of its states, such as states: [x, y]")


def describe(entry: Entry) -> str:
    """A built-in system as plain text: equations, nominal values, start, source."""
    lines = [f"{entry.name}: {entry.title}", ""]
    if entry.name == "linear":
        equations, _ = linear_equations(("x", "y"))
        lines += ["Equations (for the states x, y)", *_equations(equations)]
    elif entry.name == "latent_ode":
        lines += ["Equations (for the latent states z, of which there are `latent.dimension`)", *_LATENT]
    elif entry.family:
        build = mlp_equations if entry.name == "mlp" else potential_equations
        equations, network = build(("x", "y"))
        lines += ["Equations (for the states x, y)", *_equations(equations), "", "Network"]
        outputs = 1 if network.gradient else network.outputs
        layers = " - ".join(map(str, (network.inputs, *network.hidden, outputs)))
        what = ", its negative gradient" if network.gradient else ""
        lines += [f"  net: layers {layers}, activation {network.activation}{what}"]
    else:
        lines += ["Equations", *_equations(entry.equations)]
        lines += ["", "Parameters (nominal values)", *_table(entry.parameters)]
        lines += ["", "Initial values", *_table(entry.initial)]
    start, end = entry.time_span
    lines += ["", f"Time span: {start:g} to {end:g}"]
    if entry.notes:
        lines.append(f"Note: {entry.notes}")
    return "\n".join([*lines, f"Source: {entry.reference}"])


_LATENT = (
    "  z(start) ~ N(mean, variance)    read off a series, backwards, by a recurrent network: the encoder",
    "  dz/dt = field(z)                a perceptron",
    "  measured ~ N(decoder(z), sigma^2)    another perceptron; sigma is learnt",
)


def _equations(equations: Mapping[str, str]) -> list[str]:
    width = max(map(len, equations))
    return [f"  d{state}/dt{' ' * (width - len(state))} = {text}" for state, text in equations.items()]


def _table(values: Mapping[str, float]) -> list[str]:
    width = max(map(len, values))
    return [f"  {name:<{width}} = {value:.10g}" for name, value in values.items()]
