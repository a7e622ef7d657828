"""Evidence: what the runs that are here say of a row."""
