"""The optimisation of Gatys et al. 2016: slow, for any painting; the reference for networks."""
