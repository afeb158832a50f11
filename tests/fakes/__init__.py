"""Stand-ins that the tests of several rooms share; pytest finds them through `pythonpath`."""
