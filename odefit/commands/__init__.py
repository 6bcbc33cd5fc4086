"""The commands, a function each: parse, call, print. `odefit/cli.py` lists them."""
