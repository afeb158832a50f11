"""Contact sheets, loss curves, tables of model cards."""
