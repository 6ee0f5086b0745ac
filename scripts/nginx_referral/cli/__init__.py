"""The commands: options, arguments and what they call."""
