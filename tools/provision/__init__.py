"""What the project needs on a machine, and where it is; standard library only."""

from tools.provision.places import Paths, cached, paths

__all__ = ["Paths", "cached", "paths"]
