"""The commands `atelier verify`, `atelier sign` and `atelier manifest`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from atelier_serving.signatures import PrivateKey, PublicKey

_REPOSITORY = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def read_public_key(path: Path) -> "PublicKey":
    """Reads a key; what is wrong with the file is a wrong use of the command."""
    from atelier_serving.signatures import PublicKey

    try:
        return PublicKey.read(path)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _read_private_key(path: Path) -> "PrivateKey":
    from atelier_serving.signatures import PrivateKey

    try:
        return PrivateKey.read(path)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.command()
@click.argument("repositories", nargs=-1, metavar="[DIR]...", type=_REPOSITORY)
@click.option(
    "--public-key",
    metavar="FILE",
    type=_FILE,
    help="Every manifest has to be signed with this key's private one (Ed25519, PEM).",
)
def verify(repositories: tuple[Path, ...], public_key: Path | None) -> None:
    """Compare every file of model repositories with their manifests.

    DIR is ./model_repository unless given. One line of standard output names each file that is
    missing, altered, or in no manifest.

    Exit codes: 0 everything is as it was published; 1 it is not.
    """
    from atelier_serving.manifests import problems, versions_of

    key = None if public_key is None else read_public_key(public_key)
    found = 0
    checked = 0
    for repository in repositories or (Path("model_repository"),):
        for problem in problems(repository, key):
            click.echo(str(problem))
            found += 1
        checked += len(list(versions_of(repository)))
    if found:
        raise click.ClickException(f"{found} files or folders are not as they were published")
    signed = ", signed" if key else ""
    click.echo(f"as published: {checked} versions of models{signed}")


@click.command()
@click.argument("repositories", nargs=-1, metavar="[DIR]...", type=_REPOSITORY)
@click.option(
    "--key",
    metavar="FILE",
    type=_FILE,
    required=True,
    help="The private key: Ed25519, in PEM, as `openssl genpkey -algorithm ed25519` writes it.",
)
def sign(repositories: tuple[Path, ...], key: Path) -> None:
    """Sign the manifests of model repositories, for `atelier verify --public-key`.

    DIR is ./model_repository unless given. The files are compared with their manifests before: what
    is not as it was published is not signed.
    """
    from atelier_serving.manifests import problems, versions_of

    private_key = _read_private_key(key)
    for repository in repositories or (Path("model_repository"),):
        if wrong := next(problems(repository), None):
            raise click.ClickException(f"nothing was signed: {wrong}")
        for version in versions_of(repository):
            private_key.sign(version)
            click.echo(f"signed {version}")


@click.command()
@click.argument("versions", nargs=-1, required=True, metavar="DIR...", type=_REPOSITORY)
def manifest(versions: tuple[Path, ...]) -> None:
    """Write down the files of a model's version that no export makes.

    DIR is the folder of the version, such as model_repository/stylize/1. Run it after a change of
    the code in there, or `atelier serve` takes the change for a fault.
    """
    from atelier_serving.manifests import MANIFEST, record

    for version in versions:
        try:
            changed = record(version)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"{version / MANIFEST}: {'written' if changed else 'as it was'}")
