"""The paper's experiment: cohort, consensus masks, a network for each, cross-validation, Table 1.

``python -m fastfuse experiment COHORT --out RUN`` runs it; its parts are modules of their own. torch is imported by
those that need it alone.
"""
