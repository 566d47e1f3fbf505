"""What several families of detectors share."""
