"""Templates, charts and images of self-contained HTML pages."""
