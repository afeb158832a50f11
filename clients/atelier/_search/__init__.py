"""Search over the latents of the server's generator, through the public client alone."""
