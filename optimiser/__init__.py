"""Signal plans from demand: junctions, stages, the MILP and the independent safety checker."""
