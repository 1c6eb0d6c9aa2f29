"""State machines as tables, and the order in which events are folded into states; pure."""
