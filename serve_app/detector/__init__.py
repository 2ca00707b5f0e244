"""Detectors behind one port."""
