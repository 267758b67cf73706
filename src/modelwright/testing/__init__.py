"""Public conformance suites: whoever writes a part runs the suite of its role."""
