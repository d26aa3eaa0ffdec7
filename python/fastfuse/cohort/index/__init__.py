"""The index of a case, and what it saves: where raters come, their files alone are read."""
