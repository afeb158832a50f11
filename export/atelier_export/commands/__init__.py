"""The command line of this room, made from families and settings."""
