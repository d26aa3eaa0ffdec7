"""Output for people: tables on the terminal, and figures."""
