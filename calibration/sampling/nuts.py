"""The slow reference: the no-U-turn sampler of numpyro on the same log posterior.

In coordinates whitened by Laplace's approximation, z = z_map + L w, so that unit
steps fit every direction. Gradients are by forward mode through the prediction:
one linearisation of a dozen directions costs less than a reverse pass.
Hoffman & Gelman 2014, Journal of Machine Learning Research 15:1593.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from calibration.optimise.fit import Fit
from calibration.sampling.importance import Draws, Target


def _import() -> Any:
    try:
        import numpyro.diagnostics
        import numpyro.infer
    except ImportError as error:
        raise ImportError(
            'NUTS needs numpyro. Type: pip install "cordax[bayes]"'
        ) from error
    return numpyro


def nuts(
    fit: Fit, key: jax.Array, *, chains: int = 4, warmup: int = 250, draws: int = 650
) -> Draws:
    """``chains`` vectorised chains; diagnostics ``r_hat``, ``divergences``, ``ess``.

    A position without a sound prediction has infinite potential: the trajectory ends
    there and counts as divergent. Raises ``ImportError`` without numpyro.
    """
    numpyro = _import()
    root = jnp.linalg.cholesky(fit.covariance)

    @jax.jit  # numpyro first asks outside its own program: op by op otherwise
    def potential(w: Array) -> Array:
        z = fit.z + root @ w
        likelihood = fit.problem.log_likelihood(fit.problem.predict(z, fit.guess(z)))
        return -(likelihood - 0.5 * jnp.sum(z**2))

    kernel = numpyro.infer.NUTS(
        potential_fn=potential, forward_mode_differentiation=True, max_tree_depth=6,
        target_accept_prob=0.8,
    )  # fmt: skip
    sampler = numpyro.infer.MCMC(
        kernel, num_warmup=warmup, num_samples=draws, num_chains=chains,
        chain_method="vectorized", progress_bar=False,
    )  # fmt: skip
    first, then = jax.random.split(key)
    where = 0.5 * jax.random.normal(first, (chains, fit.z.size))
    sampler.run(then, init_params=where, extra_fields=("diverging", "num_steps"))
    w = np.asarray(sampler.get_samples(group_by_chain=True))
    z = np.asarray(fit.z) + w @ np.asarray(root).T
    extra = sampler.get_extra_fields()
    target = Target(fit)
    flat = z.reshape(-1, z.shape[-1])
    _, seen = target(flat)
    diagnose = numpyro.diagnostics
    told = {
        "r_hat": float(np.max(diagnose.split_gelman_rubin(z))),
        "ess": float(np.min(diagnose.effective_sample_size(z))),
        "divergences": float(np.sum(extra["diverging"])),
        "draws": float(len(flat)),
        "failed": float(target.failed),
        "evaluations": float(np.sum(extra["num_steps"])),
    }
    return Draws(flat, np.full(len(flat), -np.log(len(flat))), seen, "nuts", told)
