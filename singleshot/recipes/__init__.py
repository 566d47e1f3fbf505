"""Recipes: the shipped TOML files, and the code that loads them.

schema      the tables of a recipe file
training    the table `training`
load        TOML files, presets and `key=value` overrides to a checked Recipe, and back to TOML
migrate     keys and values that earlier versions called otherwise
"""
