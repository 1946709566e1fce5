"""From the residual to the target: ridge, its equivariant form, and probes that are not linear."""

from cpdkit.probes.ridge import RidgeProbe

__all__ = ["RidgeProbe"]
