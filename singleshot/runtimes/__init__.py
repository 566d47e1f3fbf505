"""Exported models as detectors: `manifest` describes one, `exported` runs it.

`standalone` holds the program that is copied beside every exported model.
"""
