"""The page: HTML, styles and ES modules, as files that the server knows by name."""
