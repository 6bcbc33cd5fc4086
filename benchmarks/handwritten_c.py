"""The kernel beside C that is written by hand for one system and compiled ahead, by the same methods.

    python benchmarks/handwritten_c.py [--members 200] [--seconds 1]

Each program below is what somebody would write who has one system and a compiler: sizes are constants, rates and their
derivatives stand in the loop. Methods, tolerances, control of steps and interpolation are those of the kernel
(Tsitouras 5(4), and Rodas5P for Robertson), so both take nearly the same steps. Microseconds of CPU for one solution
with all sensitivities: of many in one call, and of one in a call of its own from Python. `gcc` is needed.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from kernel import shortest, single, system_of
from numpy.typing import NDArray
from timing import describe_machine, show

from odefit.engines.base import SolverOptions
from odefit.engines.kernel.kernel_engine import KernelEngine
from odefit.model.system import System

Array = NDArray[np.float64]
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC")

COMMON = r"""
#include <math.h>
#include <string.h>
#define W (1 + K)
typedef double Z[N][W];

static double scaled(const Z x, const Z size, const Z other, const Z atol, double rtol) {
    double total[W] = {0}, most = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < W; j++) {
            double e = x[i][j] / (atol[i][j] + rtol * fmax(fabs(size[i][j]), fabs(other[i][j])));
            total[j] += e * e;
        }
    for (int j = 0; j < W; j++) most = fmax(most, total[j]);
    return sqrt(most / N);
}

static double begin(double t, double end, const double *p, const Z z, const Z k, const Z atol, double rtol) {
    Z u, l;
    double position = scaled(z, z, z, atol, rtol), velocity = scaled(k, z, z, atol, rtol), h = 1e-6 * (end - t);
    if (position >= 1e-5 && velocity >= 1e-5) h = fmin(0.01 * position / velocity, end - t);
    for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) u[i][j] = z[i][j] + h * k[i][j];
    rates(t + h, u, p, l);
    for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) l[i][j] -= k[i][j];
    double fastest = fmax(velocity, scaled(l, z, z, atol, rtol) / h);
    if (fastest <= 1e-15) return fmin(100 * h, end - t);
    return fmin(fmin(100 * h, pow(0.01 / fastest, 0.2)), end - t);
}

static void tolerances(const double *p, double atol, Z out) {
    for (int i = 0; i < N; i++) {
        out[i][0] = atol;
        for (int j = 0; j < K; j++) out[i][1 + j] = atol / fmax(1e-300, fabs(p[j]));
    }
}
"""

EXPLICIT = r"""
static const double A[7][6] = {
    {0},
    {0.161},
    {-0.008480655492356989, 0.335480655492357},
    {2.8971530571054935, -6.359448489975075, 4.3622954328695815},
    {5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525},
    {5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383},
    {0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774}};
static const double C[7] = {0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1};
static const double E[7] = {-0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995,
    -0.1447110071732629, 0.5823571654525552, -0.45808210592918697, 0.015151515151515152};

static void weights(double x, double h, double *b) {
    double x2 = x * x;
    b[0] = h * -1.0530884977290216 * x * (x - 1.3299890189751412) * (x2 - 1.4364028541716351 * x + 0.7139816917074209);
    b[1] = h * 0.1017 * x2 * (x2 - 2.1966568338249754 * x + 1.2949852507374631);
    b[2] = h * 2.490627285651252793 * x2 * (x2 - 2.38535645472061657 * x + 1.57803468208092486);
    b[3] = h * -16.54810288924490272 * (x - 1.21712927295533244) * (x - 0.61620406037800089) * x2;
    b[4] = h * 47.37952196281928122 * (x - 1.203071208372362603) * (x - 0.658047292653547382) * x2;
    b[5] = h * -34.87065786149660974 * (x - 1.2) * (x - 0.666666666666666667) * x2;
    b[6] = h * 2.5 * (x - 1.0) * (x - 0.6) * x2;
}

static void one(const double *p, const double *times, int count, double rtol, double atol, double *y, double *dy) {
    Z z, u, e, tol, k[7];
    double t = times[0], end = times[count - 1], before = 1e-4, grew = 10, b[7];
    int done = 0;
    initial(p, z);
    tolerances(p, atol, tol);
    rates(t, z, p, k[0]);
    double h = begin(t, end, p, z, k[0], tol, rtol);
    for (; done < count && times[done] <= t; done++) PUT(z);
    while (done < count) {
        int last = t + 1.01 * h >= end;
        if (last) h = end - t;
        #pragma GCC unroll 7
        for (int s = 1; s < 7; s++) {
            for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) {
                double sum = 0;
                #pragma GCC unroll 7
                for (int q = 0; q < s; q++) sum += A[s][q] * k[q][i][j];
                u[i][j] = z[i][j] + h * sum;
            }
            rates(t + C[s] * h, u, p, k[s]);
        }
        for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) {
            double sum = 0;
            #pragma GCC unroll 7
            for (int q = 0; q < 7; q++) sum += E[q] * k[q][i][j];
            e[i][j] = h * sum;
        }
        double error = scaled(e, z, u, tol, rtol);
        if (!(error <= 1)) { h *= fmax(0.2, 0.9 * pow(error, -0.2)); grew = 1; continue; }
        double after = last ? end : t + h;
        for (; done < count && times[done] <= after; done++) {
            weights((times[done] - t) / h, h, b);
            for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) {
                double sum = z[i][j];
                #pragma GCC unroll 7
                for (int q = 0; q < 7; q++) sum += b[q] * k[q][i][j];
                e[i][j] = sum;
            }
            PUT(e);
        }
        t = after;
        memcpy(z, u, sizeof z);
        memcpy(k[0], k[6], sizeof z);
        error = fmax(error, 1e-10);
        h *= fmin(grew, fmax(0.2, 0.9 * pow(error, -0.14) * pow(before, 0.08)));
        before = fmax(error, 1e-4);
        grew = 10;
    }
}
"""

IMPLICIT = r"""
#define G 0.21193756319429014
static const double A[8][7] = {
    {0}, {3.0}, {2.849394379747939, 0.45842242204463923},
    {-6.954028509809101, 2.489845061869568, -10.358996098473584},
    {2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641},
    {-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946},
    {-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946, 1},
    {-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946, 1, 1}};
static const double C[8][7] = {
    {0}, {-14.155112264123755}, {-17.97296035885952, -2.859693295451294},
    {147.12150275711716, -1.41221402718213, 71.68940251302358},
    {165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306},
    {24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471},
    {30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
     -28.087943162872662},
    {37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
     -54.66780262877968, -9.48861652309627}};
static const double TIME[8] = {0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664,
    1, 1, 1};
static const double B[8][3] = {
    {25.948786856663858, -9.91568850695171, 11.419903575922262},
    {-2.5579724845846235, -0.9689944594115154, 2.8879645146136994},
    {10.433815404888879, 3.0438037242978453, 72.92137995996029},
    {-2.3679251022685204, -24.495224566215796, 80.12511834622643},
    {0.524948541321073, 20.176138334709044, -52.072871366152654},
    {1.1241088310450404, 15.98066361424651, -59.78993625266729},
    {0.4272876194431874, -6.789040303419874, -0.15582684282751913},
    {-0.17202221070155493, -6.710236069923372, 4.883087185713722}};

static void factor(double w[N][N], int *pivot) {
    for (int c = 0; c < N; c++) {
        int best = c;
        for (int r = c + 1; r < N; r++) if (fabs(w[r][c]) > fabs(w[best][c])) best = r;
        pivot[c] = best;
        if (best != c) for (int q = 0; q < N; q++) { double s = w[c][q]; w[c][q] = w[best][q]; w[best][q] = s; }
        for (int r = c + 1; r < N; r++) {
            w[r][c] /= w[c][c];
            for (int q = c + 1; q < N; q++) w[r][q] -= w[r][c] * w[c][q];
        }
    }
}

static inline void solve(double w[N][N], const int *pivot, double *x, int width) {
    for (int c = 0; c < N; c++) {
        if (pivot[c] != c) for (int j = 0; j < width; j++) {
            double s = x[c * width + j]; x[c * width + j] = x[pivot[c] * width + j]; x[pivot[c] * width + j] = s;
        }
        for (int r = c + 1; r < N; r++) for (int j = 0; j < width; j++) x[r * width + j] -= w[r][c] * x[c * width + j];
    }
    for (int c = N - 1; c >= 0; c--) {
        double d = 1 / w[c][c];
        for (int j = 0; j < width; j++) x[c * width + j] *= d;
        for (int r = 0; r < c; r++) for (int j = 0; j < width; j++) x[r * width + j] -= w[r][c] * x[c * width + j];
    }
}

static void one(const double *p, const double *times, int count, double rtol, double atol, double *y, double *dy) {
    Z z, u, e, f, tol, k[8];
    double t = times[0], end = times[count - 1], grew = 6, jac[N][N], w[N][N];
    int done = 0, fresh = 1, pivot[N];
    initial(p, z);
    tolerances(p, atol, tol);
    rates(t, z, p, f);
    double h = begin(t, end, p, z, f, tol, rtol);
    for (; done < count && times[done] <= t; done++) PUT(z);
    while (done < count) {
        int last = t + 1.01 * h >= end;
        if (last) h = end - t;
        if (fresh) { rates(t, z, p, f); matrix(z, p, jac); fresh = 0; }
        for (int i = 0; i < N; i++) for (int j = 0; j < N; j++) w[i][j] = (i == j) / (h * G) - jac[i][j];
        factor(w, pivot);
        double g = 1 / h, after = last ? end : t + h;
        #pragma GCC unroll 8
        for (int s = 0; s < 8; s++) {
            double v[N];
            if (s == 0) memcpy(k[0], f, sizeof f);
            else {
                for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) {
                    double sum = z[i][j];
                    #pragma GCC unroll 8
                    for (int q = 0; q < s; q++) sum += A[s][q] * k[q][i][j];
                    u[i][j] = sum;
                }
                rates(t + TIME[s] * h, u, p, k[s]);
                for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) {
                    double sum = 0;
                    #pragma GCC unroll 8
                    for (int q = 0; q < s; q++) sum += C[s][q] * k[q][i][j];
                    k[s][i][j] += g * sum;
                }
            }
            for (int i = 0; i < N; i++) v[i] = k[s][i][0];
            solve(w, pivot, v, 1);
            curve(z, v, p, e);
            for (int i = 0; i < N; i++) for (int j = 1; j < W; j++) k[s][i][j] += e[i][j];
            solve(w, pivot, &k[s][0][0], W);
        }
        for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) u[i][j] += k[7][i][j];
        double error = scaled(k[7], z, u, tol, rtol);
        if (!(error <= 1)) { h *= fmax(0.2, 0.9 * pow(error, -0.2)); grew = 1; continue; }
        for (; done < count && times[done] <= after; done++) {
            double x = (times[done] - t) / h, c = x * (1 - x), b[8];
            for (int q = 0; q < 8; q++) b[q] = c * (B[q][0] + x * (B[q][1] + x * B[q][2]));
            for (int i = 0; i < N; i++) for (int j = 0; j < W; j++) {
                double sum = (1 - x) * z[i][j] + x * u[i][j];
                #pragma GCC unroll 8
                for (int q = 0; q < 8; q++) sum += b[q] * k[q][i][j];
                e[i][j] = sum;
            }
            PUT(e);
        }
        t = after;
        memcpy(z, u, sizeof z);
        fresh = 1;
        h *= fmin(grew, fmax(0.2, 0.9 * pow(fmax(error, 1e-10), -0.2)));
        grew = 6;
    }
}
"""

PUT = r"""
#define PUT(from) for (int i = 0; i < N; i++) { \
    y[done * N + i] = from[i][0]; \
    for (int j = 0; j < K; j++) dy[(done * N + i) * K + j] = from[i][1 + j]; }
"""

EACH = r"""
void members(int m, const double *p, const double *times, int count, double rtol, double atol, double *y, double *dy) {
    for (int i = 0; i < m; i++) one(p + i * K, times, count, rtol, atol, y + i * count * N, dy + i * count * N * K);
}
"""

LOTKA = r"""
#define N 2
#define K 6
static inline void initial(const double *p, double (*z)[1 + K]) {
    memset(z, 0, sizeof(double) * N * (1 + K));
    z[0][0] = p[4]; z[1][0] = p[5]; z[0][5] = 1; z[1][6] = 1;
}
static inline void rates(double t, const double (*z)[1 + K], const double *p, double (*d)[1 + K]) {
    double x = z[0][0], y = z[1][0], xy = x * y, a = p[0] - p[1] * y, b = -p[1] * x, c = p[2] * y, e = p[2] * x - p[3];
    for (int j = 1; j <= K; j++) {
        d[0][j] = a * z[0][j] + b * z[1][j];
        d[1][j] = c * z[0][j] + e * z[1][j];
    }
    d[0][0] = p[0] * x - p[1] * xy; d[1][0] = p[2] * xy - p[3] * y;
    d[0][1] += x; d[0][2] -= xy; d[1][3] += xy; d[1][4] -= y;
}
"""

LORENZ = r"""
#define N 3
#define K 6
static inline void initial(const double *p, double (*z)[1 + K]) {
    memset(z, 0, sizeof(double) * N * (1 + K));
    for (int i = 0; i < 3; i++) { z[i][0] = p[3 + i]; z[i][4 + i] = 1; }
}
static inline void rates(double t, const double (*z)[1 + K], const double *p, double (*d)[1 + K]) {
    double x = z[0][0], y = z[1][0], q = z[2][0];
    for (int j = 1; j <= K; j++) {
        d[0][j] = p[0] * (z[1][j] - z[0][j]);
        d[1][j] = (p[1] - q) * z[0][j] - z[1][j] - x * z[2][j];
        d[2][j] = y * z[0][j] + x * z[1][j] - p[2] * z[2][j];
    }
    d[0][0] = p[0] * (y - x); d[1][0] = x * (p[1] - q) - y; d[2][0] = x * y - p[2] * q;
    d[0][1] += y - x; d[1][2] += x; d[2][3] -= q;
}
"""

ROBERTSON = r"""
#define N 3
#define K 3
static inline void initial(const double *p, double (*z)[1 + K]) {
    memset(z, 0, sizeof(double) * N * (1 + K));
    z[0][0] = 1;
}
static inline void rates(double t, const double (*z)[1 + K], const double *p, double (*d)[1 + K]) {
    double a = z[0][0], b = z[1][0], c = z[2][0], r1 = p[0] * a, r2 = p[1] * b * b, r3 = p[2] * b * c;
    for (int j = 1; j <= K; j++) {
        double s1 = p[0] * z[0][j], s2 = 2 * p[1] * b * z[1][j], s3 = p[2] * (c * z[1][j] + b * z[2][j]);
        d[0][j] = s3 - s1; d[1][j] = s1 - s2 - s3; d[2][j] = s2;
    }
    d[0][0] = r3 - r1; d[1][0] = r1 - r2 - r3; d[2][0] = r2;
    d[0][1] -= a; d[1][1] += a; d[1][2] -= b * b; d[2][2] += b * b; d[0][3] += b * c; d[1][3] -= b * c;
}
static inline void matrix(const double (*z)[1 + K], const double *p, double (*jac)[N]) {
    double b = z[1][0], c = z[2][0], j2 = 2 * p[1] * b, jb = p[2] * c, jc = p[2] * b;
    double all[N][N] = {{-p[0], jb, jc}, {p[0], -j2 - jb, -jc}, {0, j2, 0}};
    memcpy(jac, all, sizeof all);
}
static inline void curve(const double (*z)[1 + K], const double *v, const double *p, double (*d)[1 + K]) {
    double b = z[1][0], c = z[2][0];
    for (int j = 1; j <= K; j++) {
        double s2 = 2 * p[1] * z[1][j] * v[1], s3 = p[2] * (z[1][j] * v[2] + z[2][j] * v[1]);
        d[0][j] = s3; d[1][j] = -s2 - s3; d[2][j] = s2;
    }
    d[0][1] -= v[0]; d[1][1] += v[0]; d[1][2] -= 2 * b * v[1]; d[2][2] += 2 * b * v[1];
    d[0][3] += b * v[2] + c * v[1]; d[1][3] -= b * v[2] + c * v[1];
}
"""


def cases() -> list[tuple[str, str, System, Array, Array]]:
    """Title, C, the same system, its parameters, times."""
    lotka = system_of(
        {"x": "a*x - b*x*y", "y": "c*x*y - d*y"}, {"x": "x0", "y": "y0"}, ("a", "b", "c", "d", "x0", "y0")
    )
    lorenz = system_of(
        {"x": "s*(y - x)", "y": "x*(r - z) - y", "z": "x*y - b*z"},
        {"x": "x0", "y": "y0", "z": "z0"},
        ("s", "r", "b", "x0", "y0", "z0"),
    )
    robertson = system_of(
        {"A": "-k1*A + k3*B*C", "B": "k1*A - k2*B^2 - k3*B*C", "C": "k2*B^2"},
        {"A": "1", "B": "0", "C": "0"},
        ("k1", "k2", "k3"),
    )
    top = "#include <string.h>\n"
    return [
        (
            "Lotka-Volterra, 100 times, 6",
            top + LOTKA + COMMON + PUT + EXPLICIT,
            lotka,
            np.array([0.5, 0.02, 0.01, 0.8, 30, 4]),
            np.linspace(0, 20, 100),
        ),
        (
            "Lorenz, 200 times, 6",
            top + LORENZ + COMMON + PUT + EXPLICIT,
            lorenz,
            np.array([10, 28, 8 / 3, 1, 1, 1]),
            np.linspace(0, 2, 200),
        ),
        (
            "Robertson, 28 times, 3",
            top + ROBERTSON + COMMON + PUT + IMPLICIT,
            robertson,
            np.array([0.04, 3e7, 1e4]),
            np.logspace(-5, 5, 28),
        ),
    ]


class Compiled:
    """A program of C as a function of members."""

    def __init__(self, folder: Path, name: str, text: str, states: int, slopes: int) -> None:
        source, library = folder / f"{name}.c", folder / f"{name}.so"
        source.write_text(text + EACH)
        subprocess.run(["gcc", *FLAGS, "-o", str(library), str(source), "-lm"], check=True)
        self.members = ctypes.CDLL(str(library)).members
        self.states, self.slopes = states, slopes

    def __call__(self, p: Array, times: Array, rtol: float, atol: float) -> tuple[Array, Array]:
        """y [M, T, S] and dy [M, T, S, K]."""
        y = np.empty((len(p), len(times), self.states))
        dy = np.empty((*y.shape, self.slopes))
        double = ctypes.c_double
        self.members(
            *(len(p), p.ctypes.data_as(ctypes.c_void_p), times.ctypes.data_as(ctypes.c_void_p), len(times)),
            *(double(rtol), double(atol), y.ctypes.data_as(ctypes.c_void_p), dy.ctypes.data_as(ctypes.c_void_p)),
        )
        return y, dy


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--members", type=int, default=200, help="solutions in one call")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each of them, about")
    chosen = parser.parse_args()
    if shutil.which("gcc") is None:
        sys.exit("gcc is not installed")
    describe_machine("llvmlite")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for k, (title, text, system, p, times) in enumerate(cases()):
            c = Compiled(Path(folder), f"case{k}", text, len(system.states), len(p))
            start = np.concatenate([[0.0], times]) if times[0] > 0 else times
            many = np.repeat(p[None, :], chosen.members, axis=0)
            _, _, one, experiments = single(title, system, p.tolist(), times)
            engine = KernelEngine(system, SolverOptions(rtol=1e-6, atol=1e-8), system.parameters)
            batch = [experiments[0]] * chosen.members
            _, dy = c(one, start, 1e-6, 1e-8)
            found = engine.solve(one, experiments, True)
            assert found.dy is not None
            size = np.abs(dy[0] * p).max(axis=(0, 2)) + 1e-300
            off = float((np.abs((dy[0, len(start) - len(times) :] - found.dy) * p).max(axis=(0, 2)) / size).max())
            tasks = [
                partial(engine.solve, many, batch, True),
                partial(c, many, start, 1e-6, 1e-8),
                partial(engine.solve, one, experiments, True),
                partial(c, one, start, 1e-6, 1e-8),
            ]
            took = [1e6 * t for t in shortest(tasks, chosen.seconds)]
            kernel, hand = took[0] / chosen.members, took[1] / chosen.members
            cells = [kernel, hand, kernel / hand, took[2], took[3], took[2] / took[3], off]
            rows.append([title, *(f"{cell:.3g}" for cell in cells)])
    header = ("microseconds of CPU", "kernel, in a batch", "C", "ratio", "kernel, alone", "C", "ratio", "differ by")
    show("The kernel beside C compiled ahead", header, rows)


if __name__ == "__main__":
    main()
