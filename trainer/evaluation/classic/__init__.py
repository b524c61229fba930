"""Classic control in bins: continuous dynamics for many worlds at once, what they show, and a good policy of each.

Reading order: ``dynamics`` (Gymnasium's equations, in numpy over all worlds), ``plan`` (near-optimal play by dynamic
programming over a fine grid), ``arena`` (worlds to act in).
"""
