"""Words that terminal, pages and figures share."""
