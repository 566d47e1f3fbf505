"""Importers of foreign weights: a file or folder for each kind, listed in `recognise`.

`renaming` and `pytorch_ports` serve weights whose layers are ours under other names, `graph`
networks that become a recipe's graph; `class_names` finds the names of classes.
"""
