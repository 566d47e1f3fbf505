"""Classification and localization of one object."""
