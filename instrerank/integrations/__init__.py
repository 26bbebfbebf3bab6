"""Files and interfaces of other tools, one module each, imported only when that tool is used."""
