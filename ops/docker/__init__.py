"""The image, and what its containers are asked by their health checks."""
