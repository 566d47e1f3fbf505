"""MultiBox."""
