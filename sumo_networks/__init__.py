"""SUMO networks and the simulator: read a net, run a plan, measure and judge it."""
