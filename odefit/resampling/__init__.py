"""How estimates scatter from one data set to the next: data drawn anew, fits repeated, intervals from both."""
