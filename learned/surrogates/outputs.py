"""What a surrogate's regression is of: standardised indices and modes of waveforms.

A waveform is its mean over the runs plus modes (principal components) with amplitudes
of unit spread; what the modes leave out counts into the error bar, at every sample.
An index of one sign is told by its logarithm where that is the more likely to be linear
in the inputs (Box & Cox 1964, 10.1111/j.2517-6161.1964.tb00553.x).
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LEFT_OUT = 1e-5  # share of a waveform's variance that its modes may leave out


class Wave(eqx.Module):
    """mean (n_t,) + amplitudes @ modes (n_mode, n_t); ``left_out`` is an sd (n_t,)."""

    stored_as: ClassVar[str] = "Wave"

    mean: Float[Array, " n_t"]
    modes: Float[Array, "n_mode n_t"]
    left_out: Float[Array, " n_t"]

    @classmethod
    def of(cls, samples: Float[np.ndarray, "n n_t"], n_mode: int | None) -> "Wave":
        """The modes of runs; as many as leave out ``LEFT_OUT``, or ``n_mode``."""
        mean = samples.mean(axis=0)
        _, size, shapes = np.linalg.svd(samples - mean, full_matrices=False)
        if n_mode is None:
            share = 1.0 - np.cumsum(size**2) / np.sum(size**2)
            n_mode = 1 + int(np.argmax(share <= LEFT_OUT))
        modes = shapes[:n_mode] * size[:n_mode, None] / np.sqrt(len(samples))
        rest = (samples - mean) @ (
            np.eye(mean.size) - shapes[:n_mode].T @ shapes[:n_mode]
        )
        return cls(
            jnp.asarray(mean),
            jnp.asarray(modes),
            jnp.asarray(np.sqrt(np.square(rest).mean(axis=0))),
        )

    def amplitudes(self, samples: Float[np.ndarray, "n n_t"]) -> np.ndarray:
        """The amplitudes (n, n_mode) of runs."""
        modes = np.asarray(self.modes)
        size = np.square(modes).sum(axis=1)
        return (samples - np.asarray(self.mean)) @ modes.T / size


def prefers_logarithm(
    x: Float[np.ndarray, "n n_in"], y: Float[np.ndarray, " n"]
) -> bool:
    """Whether log |y| has the larger likelihood of a linear regression on x.

    Both are densities of y: that of the logarithm is divided by |y|. False where y
    changes its sign or the runs do not tell a line.
    """
    n, n_in = x.shape
    if n <= n_in + 2 or y.min() * y.max() <= 0.0:
        return False
    line = np.column_stack([np.ones(n), x])

    def surprise(z: np.ndarray) -> float:
        rest = z - line @ np.linalg.lstsq(line, z, rcond=None)[0]
        return 0.5 * n * float(np.log(np.sum(np.square(rest)) + 1e-300))

    size = np.log(np.abs(y))
    return surprise(size) + float(size.sum()) < surprise(y)


class Outputs(eqx.Module):
    """Indices by name with mean and spread, then waveforms by name.

    ``sign`` is that of an index told by its logarithm, 0 of one told as it is.
    """

    stored_as: ClassVar[str] = "Outputs"

    indices: tuple[str, ...] = eqx.field(static=True)
    sign: Float[Array, " n_index"]
    centre: Float[Array, " n_index"]
    scale: Float[Array, " n_index"]
    waves: dict[str, Wave]

    @classmethod
    def of(
        cls,
        x: Float[np.ndarray, "n n_in"],
        y: dict[str, np.ndarray],
        like: "Outputs | None" = None,
    ) -> "Outputs":
        """Of runs at standardised inputs; signs and number of modes as in ``like``."""
        indices = tuple(name for name, v in y.items() if v.ndim == 1)
        if like is None:
            sign = [np.sign(y[k][0]) * prefers_logarithm(x, y[k]) for k in indices]
        else:
            sign = like.sign
        table = _told(_table(y, indices), np.asarray(sign, float))
        waves = {
            name: Wave.of(v, like.waves[name].modes.shape[0] if like else None)
            for name, v in y.items()
            if v.ndim == 2
        }
        return cls(
            indices,
            jnp.asarray(sign, float),
            jnp.asarray(table.mean(axis=0)),
            jnp.asarray(table.std(axis=0)),
            waves,
        )

    def encoded(self, y: dict[str, np.ndarray]) -> np.ndarray:
        """Standardised indices and amplitudes, (n, n_out)."""
        table = _told(_table(y, self.indices), np.asarray(self.sign))
        parts = [(table - np.asarray(self.centre)) / np.asarray(self.scale)]
        parts += [wave.amplitudes(y[name]) for name, wave in self.waves.items()]
        return np.concatenate(parts, axis=1)

    def _split(self, latent: Array) -> tuple[Array, dict[str, Array]]:
        ends = np.cumsum(
            [len(self.indices), *(len(w.modes) for w in self.waves.values())]
        )
        first, *rest = jnp.split(latent, ends[:-1])
        return first, dict(zip(self.waves, rest, strict=True))

    def decoded(self, latent: Float[Array, " n_out"]) -> dict[str, Array]:
        """Every output by name from its standardised form."""
        table, amplitudes = self._split(latent)
        table = self.centre + self.scale * table
        size = jnp.exp(jnp.where(self.sign == 0.0, 0.0, table))
        table = jnp.where(self.sign == 0.0, table, self.sign * size)
        values = {name: table[k] for k, name in enumerate(self.indices)}
        for name, wave in self.waves.items():
            values[name] = wave.mean + amplitudes[name] @ wave.modes
        return values

    def spread(
        self, latent: Float[Array, " n_out"], variance: Float[Array, " n_out"]
    ) -> dict[str, Array]:
        """The sd of every output from the moments of its standardised form.

        That of a logarithm times the value: the first order of the error.
        """
        table, amplitudes = self._split(variance)
        values = self.decoded(latent)
        table = self.scale * jnp.sqrt(table)
        sd = {
            name: table[k] * jnp.where(self.sign[k] == 0.0, 1.0, jnp.abs(values[name]))
            for k, name in enumerate(self.indices)
        }
        for name, wave in self.waves.items():
            square = amplitudes[name] @ jnp.square(wave.modes)
            sd[name] = jnp.sqrt(square + jnp.square(wave.left_out))
        return sd


def _table(y: dict[str, np.ndarray], indices: tuple[str, ...]) -> np.ndarray:
    """The indices of runs as columns."""
    n = len(next(iter(y.values())))
    return np.array([y[name] for name in indices]).reshape(len(indices), n).T


def _told(table: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Logarithms of the indices that have a sign."""
    logged = np.broadcast_to(sign != 0.0, table.shape)
    return np.where(logged, np.log(np.where(logged, np.abs(table), 1.0)), table)
