"""The optimisation of Gatys et al. 2016: slow, for any painting; what networks are measured by."""
