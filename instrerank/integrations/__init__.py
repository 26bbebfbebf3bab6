"""Interfaces and file formats of other tools, one module each, imported only when the tool is used."""
