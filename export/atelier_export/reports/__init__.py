"""What people look at: contact sheets, curves, the tables of model cards."""
