"""Other people's weights as ours: a file for each kind, exact to the last digit that matters."""
