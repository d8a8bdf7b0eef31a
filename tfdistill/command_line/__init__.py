"""How a command starts, reports and ends."""
