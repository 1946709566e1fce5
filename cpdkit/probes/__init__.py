"""From the residual to the target: ridge, its equivariant form, and probes that are not linear."""

from cpdkit.probes.residual import ResidualProbe, RidgeProbe

__all__ = ["ResidualProbe", "RidgeProbe"]
