"""Passenger flows from fare taps, vehicle positions and a timetable."""
