"""Finds people in pictures: one port (``schema.ports.Detector``), one module an engine; ``choose`` opens one."""
