"""The command line of Ampstream."""
