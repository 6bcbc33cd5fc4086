"""`odefit init`: a first config for a file of measurements."""
