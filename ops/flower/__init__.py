"""How Flower is run here: with a password, and only to look."""
