"""The settings of all commands: one frozen dataclass per concern."""
