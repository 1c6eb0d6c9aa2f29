"""The tests; unit, integration, acceptance."""
