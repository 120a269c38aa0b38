"""Sample cities made here, each a folder a person can open in SUMO."""
