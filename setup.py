"""The one extension; everything else is in pyproject.toml.

RINGMAIN_SANITIZE=address,undefined builds it with sanitizers, RINGMAIN_DEBUG=1 with assertions and
crash_before_store().
"""

import os
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

sanitize = os.environ.get("RINGMAIN_SANITIZE")
debug = bool(os.environ.get("RINGMAIN_DEBUG"))
compile_args = ["-O1", "-g"] if sanitize or debug else ["-O3"]
link_args = []
if sanitize:
    compile_args.append(f"-fsanitize={sanitize}")
    link_args.append(f"-fsanitize={sanitize}")

setup(
    ext_modules=cythonize(
        [
            Extension(
                "ringmain._fastpath",
                ["_fastpath/_fastpath.pyx"],
                depends=sorted(glob("_fastpath/*")),
                include_dirs=["_fastpath"],
                extra_compile_args=compile_args,
                extra_link_args=link_args,
                libraries=["dl"],
                define_macros=[("RINGMAIN_DEBUG", "1")] if debug else [],
            )
        ],
        build_dir="build/cython-debug" if debug else "build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": debug,
            "wraparound": False,
            "cdivision": True,
            "auto_pickle": False,
            "initializedcheck": False,
            "autotestdict": False,
        },
    )
)
