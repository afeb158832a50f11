"""The report of a load test as one HTML file, which needs nothing else to be read."""
