"""Stand-ins that the tests of several packages share; pytest finds them through `pythonpath`."""
