"""The perceptual loss: VGG-19, content, Gram matrices, total variation."""
