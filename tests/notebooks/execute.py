"""Runs a notebook without a screen, in this interpreter."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def execute(notebook: Any, *, folder: Path, environment: Mapping[str, str] | None = None, timeout_s: int = 60) -> None:
    """Run all cells of a notebook node in place, in `folder`, and keep neither timing nor widget state.

    Raises nbclient's CellExecutionError, CellTimeoutError or DeadKernelError.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    # Without kernel_dirs the kernel is this interpreter's, whatever kernels the user has registered.
    manager = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), kernel_name="python3")
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=timeout_s,
        # By default an output that comes late, on a busy machine, is dropped without a word.
        iopub_timeout=timeout_s,
        raise_on_iopub_timeout=True,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # not the kernel's warning about unencrypted TCP
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(cleanup_kc=True, env=dict(os.environ if environment is None else environment))
