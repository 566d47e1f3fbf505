"""The program beside every exported model; the package imports the same file."""
