"""psql and this program given the same input: who gets in where, and what the other one does not take."""
