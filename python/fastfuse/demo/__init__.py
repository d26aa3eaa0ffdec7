"""Made-up cases and cohorts to try fastfuse on."""
