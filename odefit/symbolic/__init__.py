"""`odefit symbols`: formulas for what the networks of a run have learnt, and the model fitted again with them."""
