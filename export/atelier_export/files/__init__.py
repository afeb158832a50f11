"""Files and folders that survive a kill."""
