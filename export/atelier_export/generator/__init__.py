"""The generator of paintings, a conditional adversarial network: training, evaluation, export."""
