"""What evaluation shows: tables, learning curves, heat maps, films, one page with all of it, the paper's table."""
