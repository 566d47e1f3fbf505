"""Recipes: the shipped TOML files, and the code that loads them.

schema      the tables of a recipe file
training    the table `training`
load        TOML files, presets and `key=value` overrides to a checked Recipe
keys        the keys that a recipe may have, and phrases for those that it may not
toml        recipes and their values as TOML
migrate     keys and values that earlier versions called otherwise
"""
