"""The tests; unit, integration, acceptance, faults."""
