"""Evidence: what the runs that are here say of a row, of two of them, and of a claim."""
