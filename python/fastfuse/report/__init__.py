"""What people see: tables on a terminal, and figures."""
