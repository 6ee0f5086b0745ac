"""Output for people and for programs, and problems in a sentence."""
