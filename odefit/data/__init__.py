"""What was measured: experiments, CSV files, the torch dataset."""
