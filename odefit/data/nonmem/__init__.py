"""Tables of events, as NONMEM has them: measurements, doses and constants of each subject in one file."""
