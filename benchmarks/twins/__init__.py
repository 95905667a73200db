"""The recipes of the examples in plain torch, as its users would write them; gan_quality.py compares the images."""
