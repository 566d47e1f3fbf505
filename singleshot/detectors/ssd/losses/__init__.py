"""What is minimised: the paper's loss, and those that came later."""
