"""Systems whose equations depend on the names of the states, or on networks."""

from __future__ import annotations

from odefit.model.built_in.entry import Entry

ENTRIES = (
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
    Entry(
        "sparse",
        "Unknown equations made of few terms of a library, for any measured states",
        "Brunton, Proctor & Kutz (2016), Discovering governing equations from data by sparse identification of "
        "nonlinear dynamical systems, Proc. Natl. Acad. Sci. USA 113:3932-3937",
        (0.0, 10.0),
        notes="Name the states in the config; the section `library` says what the equations may be made of. "
        "`odefit discover` finds which terms the data support.",
        family=True,
    ),
)
