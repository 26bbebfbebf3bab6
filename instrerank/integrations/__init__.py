"""Files and interfaces of the tools beside instrerank, one module each, imported only by whom they serve."""
