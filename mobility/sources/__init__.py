"""Feeds a city has, one file a feed."""
