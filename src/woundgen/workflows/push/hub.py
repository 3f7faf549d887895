"""The Hugging Face hub: a commit into a repository that is new or empty. The only file that sends anything out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from woundgen.errors import UserError

Kind = Literal["model", "dataset"]
ENDPOINT = "HF_ENDPOINT"  # huggingface_hub's variable; it reads it once, as it is imported
_FROM_HUB = (".gitattributes",)  # what the hub itself puts into a new repository


def upload(repo: str, files: Mapping[str, Path | bytes], *, kind: Kind, private: bool, message: str) -> str:
    """Create the repository and commit the files, by their paths in it; return its address.

    The user is known by what `hf auth login` or HF_TOKEN gave huggingface_hub. UserError where the repository holds
    files already, nobody is logged in, or the hub cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    hub = HfApi(endpoint=os.environ.get(ENDPOINT))
    operations = [
        CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in sorted(files.items())
    ]
    try:
        hub.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        there = [name for name in hub.list_repo_files(repo, repo_type=kind) if name not in _FROM_HUB]
        if there:
            raise UserError(f"{repo} holds {len(there)} files already, such as {there[0]}.", "Choose another --repo.")
        made = hub.create_commit(repo, operations, commit_message=message, repo_type=kind)
    except OfflineModeIsEnabled:
        raise UserError("HF_HUB_OFFLINE is set, so nothing is sent.", "Unset it.") from None
    except LocalTokenNotFoundError:
        raise UserError("Nobody is logged in to the hub.", "Run hf auth login, or set HF_TOKEN.") from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        fix = "Run hf auth login with an account that may write there." if status in (401, 403) else "Try again later."
        raise UserError(f"The hub refused {repo} (status {status}).", fix) from None
    except OSError as error:
        raise UserError(f"The hub cannot be reached ({error}).", "Check the connection.") from None
    return str(made.repo_url)
