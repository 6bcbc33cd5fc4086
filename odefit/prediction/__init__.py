"""What a fitted model says of times, conditions, doses and inputs that were not measured, and how sure that is."""
