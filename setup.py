"""Puts the shipped configs and their data into the wheel, where `odefit demo` finds them."""

from pathlib import Path
from shutil import copytree

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
FOLDERS = ("configs", "data")


class BuildWithDemos(build_py):
    """The package, and beside its modules what the commands in the documentation are about."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # then the folders of the repository serve
            return
        for folder in FOLDERS:
            copytree(HERE / folder, Path(self.build_lib) / "odefit" / "demo_files" / folder, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithDemos})
