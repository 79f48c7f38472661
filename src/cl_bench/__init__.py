"""cl-bench: continual-learning methods for vision-language models, compared honestly."""

from pathlib import Path

__version__ = "0.1.0"

# git stores the four folders here as symbolic links; a clone without link support gets text files.
for _folder in ("benchmark", "methods", "datasets", "reports"):
    if not (Path(__file__).parent / _folder).is_dir():
        raise ImportError(
            f"{Path(__file__).parent / _folder} should be a link to the top-level folder "
            f"{_folder}/. Clone again with `git clone -c core.symlinks=true`."
        )
