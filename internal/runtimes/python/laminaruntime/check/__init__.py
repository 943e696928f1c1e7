"""What `lamina check` wants to know of a worker: which state the function's code leaves behind, and what it does meanwhile.

Loaded only where LAMINA_CHECK is set. It reports facts and judges nothing; with a
seed it also pauses the function's code at lines chosen at random.
"""

from .watch import watched

__all__ = ["watched"]
