"""The MILP, one family of constraints a file."""
