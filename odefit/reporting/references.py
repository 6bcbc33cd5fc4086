"""What a paper cites of the methods that a run has used."""

from __future__ import annotations

from odefit.records import dataclass


@dataclass(frozen=True)
class Reference:
    """One entry of a list of references; `link`: where it is found."""

    text: str
    link: str = ""


REFERENCES: dict[str, Reference] = {
    "tsit5": Reference(
        "Tsitouras, C. (2011). Runge–Kutta pairs of order 5(4) satisfying only the first column simplifying "
        "assumption. Computers & Mathematics with Applications 62, 770–775.",
        "https://doi.org/10.1016/j.camwa.2011.06.002",
    ),
    "rodas5p": Reference(
        "Steinebach, G. (2023). Construction of Rosenbrock–Wanner method Rodas5P and numerical benchmarks within the "
        "Julia Differential Equations package. BIT Numerical Mathematics 63, 27.",
        "https://doi.org/10.1007/s10543-023-00967-x",
    ),
    "diffsol": Reference("Robinson, M. diffsol and pydiffsol [software].", "https://github.com/martinjrobins/diffsol"),
    "torchdiffeq": Reference(
        "Chen, R. T. Q. (2018). torchdiffeq [software].", "https://github.com/rtqichen/torchdiffeq"
    ),
    "neural_ode": Reference(
        "Chen, R. T. Q., Rubanova, Y., Bettencourt, J. and Duvenaud, D. (2018). Neural ordinary differential "
        "equations. Advances in Neural Information Processing Systems 31.",
        "https://arxiv.org/abs/1806.07366",
    ),
    "vae": Reference(
        "Kingma, D. P. and Welling, M. (2014). Auto-encoding variational Bayes. International Conference on Learning "
        "Representations.",
        "https://arxiv.org/abs/1312.6114",
    ),
    "dopri5": Reference(
        "Dormand, J. R. and Prince, P. J. (1980). A family of embedded Runge–Kutta formulae. Journal of Computational "
        "and Applied Mathematics 6, 19–26.",
        "https://doi.org/10.1016/0771-050X(80)90013-3",
    ),
    "saltation": Reference(
        "Hairer, E., Nørsett, S. P. and Wanner, G. (1993). Solving Ordinary Differential Equations I, section I.14. "
        "Springer."
    ),
    "marquardt": Reference(
        "Marquardt, D. W. (1963). An algorithm for least-squares estimation of nonlinear parameters. Journal of the "
        "Society for Industrial and Applied Mathematics 11, 431–441.",
        "https://doi.org/10.1137/0111030",
    ),
    "lbfgs": Reference(
        "Liu, D. C. and Nocedal, J. (1989). On the limited memory BFGS method for large scale optimization. "
        "Mathematical Programming 45, 503–528.",
        "https://doi.org/10.1007/BF01589116",
    ),
    "adam": Reference(
        "Kingma, D. P. and Ba, J. (2015). Adam: a method for stochastic optimization. International Conference on "
        "Learning Representations.",
        "https://arxiv.org/abs/1412.6980",
    ),
    "evolution": Reference(
        "Storn, R. and Price, K. (1997). Differential evolution – a simple and efficient heuristic for global "
        "optimization over continuous spaces. Journal of Global Optimization 11, 341–359.",
        "https://doi.org/10.1023/A:1008202821328",
    ),
    "hypercube": Reference(
        "McKay, M. D., Beckman, R. J. and Conover, W. J. (1979). A comparison of three methods for selecting values of "
        "input variables in the analysis of output from a computer code. Technometrics 21, 239–245.",
        "https://doi.org/10.1080/00401706.1979.10489755",
    ),
    "matching": Reference(
        "Ramsay, J. O., Hooker, G., Campbell, D. and Cao, J. (2007). Parameter estimation for differential equations: "
        "a generalized smoothing approach. Journal of the Royal Statistical Society B 69, 741–796.",
        "https://doi.org/10.1111/j.1467-9868.2007.00610.x",
    ),
    "noise_levels": Reference(
        "Cox, D. R. and Reid, N. (1987). Parameter orthogonality and approximate conditional inference. Journal of the "
        "Royal Statistical Society B 49, 1–39.",
        "https://doi.org/10.1111/j.2517-6161.1987.tb01422.x",
    ),
    "quantile_residuals": Reference(
        "Dunn, P. K. and Smyth, G. K. (1996). Randomized quantile residuals. Journal of Computational and Graphical "
        "Statistics 5, 236–244.",
        "https://doi.org/10.1080/10618600.1996.10474708",
    ),
    "aicc": Reference(
        "Hurvich, C. M. and Tsai, C.-L. (1989). Regression and time series model selection in small samples. "
        "Biometrika 76, 297–307.",
        "https://doi.org/10.1093/biomet/76.2.297",
    ),
    "weights": Reference(
        "Burnham, K. P. and Anderson, D. R. (2002). Model Selection and Multimodel Inference, 2nd edition. Springer.",
        "https://doi.org/10.1007/b97636",
    ),
    "profile": Reference(
        "Raue, A., Kreutz, C., Maiwald, T., Bachmann, J., Schilling, M., Klingmüller, U. and Timmer, J. (2009). "
        "Structural and practical identifiability analysis of partially observed dynamical models by exploiting the "
        "profile likelihood. Bioinformatics 25, 1923–1929.",
        "https://doi.org/10.1093/bioinformatics/btp358",
    ),
    "bootstrap": Reference("Efron, B. and Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall."),
    "nuts": Reference(
        "Hoffman, M. D. and Gelman, A. (2014). The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian "
        "Monte Carlo. Journal of Machine Learning Research 15, 1593–1623.",
        "https://jmlr.org/papers/v15/hoffman14a.html",
    ),
    "rhat": Reference(
        "Vehtari, A., Gelman, A., Simpson, D., Carpenter, B. and Bürkner, P.-C. (2021). Rank-normalization, folding, "
        "and localization: an improved R̂ for assessing convergence of MCMC. Bayesian Analysis 16, 667–718.",
        "https://doi.org/10.1214/20-BA1221",
    ),
    "numpy": Reference(
        "Harris, C. R. et al. (2020). Array programming with NumPy. Nature 585, 357–362.",
        "https://doi.org/10.1038/s41586-020-2649-2",
    ),
    "scipy": Reference(
        "Virtanen, P. et al. (2020). SciPy 1.0: fundamental algorithms for scientific computing in Python. Nature "
        "Methods 17, 261–272.",
        "https://doi.org/10.1038/s41592-019-0686-2",
    ),
    "torch": Reference(
        "Paszke, A. et al. (2019). PyTorch: an imperative style, high-performance deep learning library. Advances in "
        "Neural Information Processing Systems 32.",
        "https://arxiv.org/abs/1912.01703",
    ),
}
"""By what is used."""
