"""y(t; p) and its sensitivities: the protocol and one file per engine."""
