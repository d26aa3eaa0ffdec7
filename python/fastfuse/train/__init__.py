"""The paper's experiment: cohort, consensus masks, a network for each method, cross-validation, Table 1.

``python -m fastfuse experiment COHORT --out RUN`` runs it. From below to above: ``options``, ``cohort/``,
``targets/``, ``network/``, ``results/``, then the stages of a run, then ``experiment``. Only modules that need torch
import it.
"""
