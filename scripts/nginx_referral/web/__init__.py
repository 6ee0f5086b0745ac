"""The HTTP API: what the command line answers, for programs."""
