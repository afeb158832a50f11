"""The commands of this package, made from families and settings."""
