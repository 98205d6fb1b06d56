"""Benchmarks: `manage.py bench NAME`. Each measures itself against a yardstick in the same run.

Absolute figures are those of a machine and a moment; ratios between neighbours in one interleaved
run are what can be compared and kept.
"""
