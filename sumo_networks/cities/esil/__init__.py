"""Esil: a synthetic city in the likeness of Astana's left bank, and the script that builds it."""
