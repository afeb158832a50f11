"""The command line. It needs the extra `cli`, so nothing outside `atelier.__main__` imports it."""
