"""What a recipe may say, and the recipes that are shipped."""
