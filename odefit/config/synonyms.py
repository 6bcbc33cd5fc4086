"""What other tools call it: words that users write, and what they are called here.

One table for keys and for values alike: of the names that may stand at a place, the first in whose line a word is found
is the one that was meant. So `init` means `value` within a parameter, and `initial` within the model.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping

from odefit.text import closest, did_you_mean

_WORDS = {
    # -- keys of a parameter
    "estimate": "fixed fix vary free constant const frozen freeze hold estimated fit optimise optimize",
    "bounds": "min max minimum maximum lower upper low high lb ub lbound ubound bound limit limits range interval box",
    "value": "init initial guess start startvalue initial_value initial_guess start_value p0 x0 nominal default number",
    "scale": "log log10 ln transform transformation logscale log_scale parscale parameterscale scaling",
    "prior": "dist distribution mean mu median sd std stdev sigma gaussian normal lognormal uniform",
    "formula": "expr expression equation tied tie equals function",
    "by": "per group groups groupby group_by random individual hierarchical",
    "unit": "dimension",
    # -- of noise
    "sigma": "sd std stdev stddev standard_deviation error err se s scale value",
    # -- of the solver
    "rtol": "tol tolerance reltol rel_tol relative_tolerance accuracy",
    "atol": "abstol abs_tol absolute_tolerance",
    "step": "dt h stepsize step_size max_step maxstep hmax timestep",
    "dtype": "precision float",
    "device": "gpu cuda",
    # -- of the fit
    "method": "optimizer optimiser algorithm algo integrator solver name kind type engine minimizer",
    "max_iterations": "maxiter max_iter maxit iterations n_iter niter max_nfev maxfev nfev maxfun",
    "starts": "multistart multi_start n_starts nstarts restarts n_restarts random_starts",
    "learning_rate": "lr rate stepsize step_size",
    "epochs": "n_epochs num_epochs iterations",
    "batch_size": "batch batchsize",
    "workers": "n_jobs jobs cores n_cores cpus processes threads n_workers parallel",
    "time_limit": "timeout max_time walltime",
    "cpu_limit": "cpu_time max_cpu_time cputime",
    "seed": "random_state rng random_seed",
    "intervals": "ci cis confidence confidence_intervals uncertainty profiles",
    "folds": "cv k_folds n_folds cross_validation crossvalidation",
    # -- of the data
    "csv": "file path filename file_name source url table",
    "time": "t times time_column time_col",
    "experiment": "id subject series group replicate individual",
    "hold_out": "holdout test test_set validation",
    "doses": "dosing injections",
    # -- of the model
    "equations": "odes ode rhs dynamics system derivatives right_hand_side",
    "initial": "y0 x0 ic ics init initials initial_conditions initial_values initial_state",
    "observables": "outputs output measured measurements measurement observed",
    # -- sections
    "fit": "optimizer optimiser optimization optimisation fitting inference estimation",
    "solver": "integrator integration ode_solver",
    "noise": "error errors likelihood measurement_error error_model residuals",
    "parameters": "params pars parms unknowns priors bounds",
    "model": "distribution dist family type kind name",
    # -- kinds of noise and of priors
    "gaussian": "normal gauss constant additive homoscedastic iid",
    "normal": "gaussian gauss",
    "lognormal": "log_normal logn lnorm log",
    "proportional": "relative multiplicative percent",
    "additive_proportional": "combined mixed both",
    "student_t": "student studentt t robust",
    "log10_normal": "log10normal lognormal10 log10",
    "laplace": "double_exponential l1 laplacian",
    "log_laplace": "loglaplace log_double_exponential",
    "log10_laplace": "log10laplace",
    "negative_binomial": "nb negbin neg_binomial nbinom",
    "uniform": "flat box unif",
    "exponential": "exp",
    # -- methods: of the fit, then of the solver
    "least_squares": "leastsq lm levenberg levenberg_marquardt trf dogbox nls nlls ols ls curve_fit lsqnonlin "
    "lsqcurvefit gauss_newton marquardt mle ml",
    "lbfgs": "bfgs l_bfgs l_bfgs_b lbfgsb newton quasi_newton cg minimize nelder_mead simplex",
    "adam": "sgd adamw gradient_descent rmsprop backprop",
    "tsit45": "rk45 ode45 tsit5 dormand_prince runge_kutta rkf45 cash_karp ode23 rk23 non_stiff nonstiff explicit",
    "bdf": "cvode cvodes vode ode15s ode23s radau radau5 rodas rosenbrock gear ida stiff implicit sundials",
    "dopri5": "rk45 ode45 tsit5 dp5 dormand_prince runge_kutta",
    "dopri8": "dop853 ode78 ode89 vern7 vern8",
    "rk4": "rungekutta4 runge_kutta_4 classical",
    "euler": "forward_euler explicit_euler",
    # -- other values
    "log": "log10 ln log2 logarithmic loge",
    "linear": "lin none identity natural",
    "logit": "logistic sigmoid",
    "first": "data measured first_row",
    "auto": "automatic default any none lsoda odeint",
    "mse": "l2 sse rss ssr rmse squares",
    "nll": "likelihood ml mle negative_log_likelihood",
    "previous": "step steps zoh constant hold piecewise_constant",
    "cubic": "spline pchip",
    "cosine": "cos",
    "float64": "double f64",
    "float32": "single float f32",
}  # fmt: skip

_HOW = {
    "estimate": "write `estimate: false` to keep it at its value",
    "bounds": "write `bounds: [low, high]`",
    "value": "write `value: …`, where the search starts",
    "scale": "write `scale: log`",
    "prior": "write a prior as `prior: {normal: [mean, standard deviation]}`",
    "formula": "write `formula: …`",
    "by": "write `by: experiment`, or the column to group by",
    "csv": "write `csv: …`, the path of the file",
    "rtol": "write `rtol: …` and `atol: …`",
}


def meant(word: str, options: Collection[str]) -> str | None:
    """Which of the options was meant by a word that is none of them; None where that is not known."""
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    if plain in options:
        return plain
    synonyms = _synonyms()
    known = next((option for option in synonyms if option in options and plain in synonyms[option]), None)
    return known or closest(word, options)


def advice(word: str, options: Collection[str]) -> str | None:
    """What to write for an unknown key: a whole remedy for a synonym, `did you mean 'bounds'?` for a typing error."""
    option = meant(word, options)
    if option is None:
        return None
    return did_you_mean(option) if closest(word, [option]) else _HOW.get(option, f"write `{option}`")


@functools.cache
def _synonyms() -> Mapping[str, frozenset[str]]:
    return {option: frozenset(words.split()) for option, words in _WORDS.items()}
