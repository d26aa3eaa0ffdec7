"""Images of one job on one grid."""
