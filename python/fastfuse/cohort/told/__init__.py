"""What a cohort tells: its tables, what its cases' sidecars say, and what the terminal prints."""
