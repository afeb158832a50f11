"""Images from folders and archives, crops, splits."""
