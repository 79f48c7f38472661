"""What other programs call the options and settings of a run. No torch.

A key is compared without hyphens and underscores.
"""

from __future__ import annotations

import re

OPTIONS = {  # -> of `cl-bench run`, with its value
    "model": "--backbone NAME:WEIGHTS",
    "arch": "--backbone NAME:WEIGHTS",
    "network": "--backbone NAME:WEIGHTS",
    "pretrained": "--backbone NAME:WEIGHTS",
    "weights": "--backbone NAME:WEIGHTS",
    "checkpoint": "--backbone NAME:WEIGHTS",
    "output": "--out DIR",
    "outputdir": "--out DIR",
    "outdir": "--out DIR",
    "savedir": "--out DIR",
    "logdir": "--out DIR",
    "resultsdir": "--out DIR",
    "dataset": "--suite NAME",
    "datasets": "--suite NAME",
    "benchmark": "--suite NAME",
    "data": "--data-root DIR",
    "datadir": "--data-root DIR",
    "datapath": "--data-root DIR",
    "root": "--data-root DIR",
    "cachedir": "--cache DIR",
    "algorithm": "--method NAME",
    "algo": "--method NAME",
    "approach": "--method NAME",
    "learner": "--method NAME",
    "sequence": "--order I",
    "taskorder": "--order I",
    "numtasks": "--tasks N",
    "ntasks": "--tasks N",
    "randomseed": "--seed N",
    "gpu": "--device cuda:N",
    "gpus": "--device cuda:N",
    "gpuid": "--device cuda:N",
    "cuda": "--device cuda",
    "cpu": "--device cpu",
    "amp": "--precision fp16",
    "fp16": "--precision fp16",
    "bf16": "--precision bf16",
    "fp32": "--precision fp32",
    "dtype": "--precision fp16",
    "fewshot": "--shots N",
    "numshots": "--shots N",
    "imbalanceratio": "--imbalance RATIO",
    "imbalancefactor": "--imbalance RATIO",
    "longtail": "--imbalance RATIO",
    "longtailed": "--imbalance RATIO",
    "numclients": "--clients N",
    "nclients": "--clients N",
    "numrounds": "--rounds R",
    "communicationrounds": "--rounds R",
    "dirichletalpha": "--client-alpha A",
    "setting": "--set NAME=VALUE",
    "settings": "--set NAME=VALUE",
    "opts": "--set NAME=VALUE",
    "cfg": "--config FILE",
    "configfile": "--config FILE",
    "mode": "--preset paper|fair",
    "labels": "--protocol mtil|seen|x-tail",
    "labelspace": "--protocol mtil|seen|x-tail",
    "broken": "--skip-broken",
    "project": "--wandb-project NAME",
    "dry": "--dry-run",
    "plan": "--dry-run",
}
SETTINGS = {  # -> a name behind `--set`
    "learningrate": "lr",
    "baselr": "lr",
    "lrrate": "lr",
    "stepsize": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "trainbatchsize": "batch_size",
    "batchsizetrain": "batch_size",
    "minibatch": "batch_size",
    "epoch": "epochs",
    "numepochs": "epochs",
    "nepochs": "epochs",
    "maxepochs": "epochs",
    "iterations": "steps",
    "iters": "steps",
    "numsteps": "steps",
    "maxsteps": "steps",
    "niters": "steps",
    "wd": "weight_decay",
    "decay": "weight_decay",
    "optim": "optimizer",
    "optimiser": "optimizer",
    "opt": "optimizer",
    "scheduler": "schedule",
    "lrscheduler": "schedule",
    "lrschedule": "schedule",
    "warmupratio": "warmup",
    "warmupsteps": "warmup",
    "clip": "grad_clip",
    "clipgrad": "grad_clip",
    "gradnorm": "grad_clip",
    "maxgradnorm": "grad_clip",
    "gradientclipping": "grad_clip",
    "augmentation": "augment",
    "aug": "augment",
    "prompt": "prompts",
    "templates": "prompts",
    "template": "prompts",
    "r": "rank",
    "lorar": "rank",
    "lorarank": "rank",
    "loraalpha": "alpha",
    "smoothing": "label_smoothing",
    "ls": "label_smoothing",
    "temp": "temperature",
    "tau": "temperature",
    "numexperts": "experts",
    "nexperts": "experts",
    "topk": "top_k",
}


def option_meant(name: str) -> str | None:
    """The option, with its value, that other programs call ``name``."""
    return OPTIONS.get(_plain(name))


def setting_meant(name: str) -> str | None:
    """The setting that other programs call ``name``."""
    return SETTINGS.get(_plain(name))


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name.lower())
