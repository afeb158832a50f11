"""The variational autoencoder of paintings: training, evaluation, export."""
