"""Which prior learns which object: the paper's rule, and three that came later."""
