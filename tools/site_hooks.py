"""Hooks of the documentation site, which `mkdocs.yml` names.

- `<!-- generated: commands -->` in a page becomes the help of all commands,
  `<!-- generated: recipes -->` the recipes and their comments.
- Pages are also read in the repository, where they link to files outside
  `docs/`. The site has a copy of each linked file below `source/`; a link to a
  folder or a hidden file becomes its path.
"""

import dataclasses
import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # The package need not be installed.

COPIES = "source/"
LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s#]+)(#[^)\s]*)?\)")
MARK = re.compile(r"<!-- generated: (\w+) -->")
COMMENT = re.compile(r"((?:^#.*\n)+)^([A-Z_0-9]+) = ", re.MULTILINE)
WIDTH = "88"


def on_files(files, config):
    """Adds the files outside `docs/` that pages link to."""
    from mkdocs.structure.files import File

    pages = [file.src_uri for file in files.documentation_pages()]
    for page in pages:  # It grows: a copied page may link to further files.
        markdown = repository_path(page, ROOT).read_text()
        for path in sorted(rewrite_links(markdown, page)[1]):
            uri = COPIES + path
            if uri not in files.src_uris:
                source = str(ROOT / path)
                files.append(File.generated(config, uri, abs_src_path=source))
                pages += [uri] * uri.endswith(".md")
    return files


def on_page_markdown(markdown, page, config, files):
    """Fills in what is generated, and rewrites links."""
    generators = {"commands": commands, "recipes": recipes}
    markdown = MARK.sub(lambda match: generators[match[1]](), markdown)
    return rewrite_links(markdown, page.file.src_uri)[0]


def repository_path(page, root):
    """The file of a page: it is in `docs/`, or a copy below `source/`."""
    if page.startswith(COPIES):
        return Path(root, page.removeprefix(COPIES))
    return Path(root, "docs", page)


def rewrite_links(markdown, page, root=ROOT):
    """Makes links that work in the repository work on the site.

    Args:
        markdown: The text of a page.
        page: Its path on the site, such as "gpu.md".
        root: The folder of the repository.

    Returns:
        `(markdown, paths)`: the new text, and the files outside `docs/` that
        it links to, as a set of paths below `root`.
    """
    folder = repository_path(page, root).parent.relative_to(root).as_posix()
    paths = set()

    def rewrite(match):
        text, target, anchor = match.groups(default="")
        path = posixpath.normpath(posixpath.join(folder, target))
        if ":" in target or path.startswith("../"):
            return match[0]
        if path == "README.md":
            uri = "index.md"
        elif path.startswith("docs/"):
            uri = path.removeprefix("docs/")
        elif Path(root, path).is_dir() or "/." in f"/{path}":
            return f"`{path}`"  # The site has no hidden files.
        elif Path(root, path).is_file():
            paths.add(path)
            uri = COPIES + path
        else:
            return match[0]  # MkDocs reports it.
        uri = posixpath.relpath(uri, posixpath.dirname(page) or ".")
        return f"{text}({uri}{anchor})"

    return LINK.sub(rewrite, markdown), paths


def commands():
    """The help of `convmixer` and of each of its commands, as Markdown."""
    from keras_convmixer.command_line.convmixer import PROGRAMS

    parts = [f"```text\n{help_text()}```"]
    for name in PROGRAMS:
        parts += [f"## convmixer {name}", f"```text\n{help_text(name)}```"]
    return "\n\n".join(parts)


def help_text(*command):
    """What `convmixer COMMAND --help` prints."""
    module = "keras_convmixer.command_line.convmixer"
    code = f"from {module} import main; main()"  # Its usage says `convmixer`.
    return subprocess.run(
        [sys.executable, "-c", code, *command, "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def recipes():
    """A table of all recipes, and a section for each, as Markdown."""
    from keras_convmixer.training import recipes as module
    from keras_convmixer.utils.tables import markdown_table

    names = [field.name for field in dataclasses.fields(module.DIGITS)]
    rows = [
        {"value": name}
        | {key: f"{getattr(r, name)}" for key, r in module.RECIPES.items()}
        for name in names
    ]
    parts = [markdown_table(rows)]
    source = Path(module.__file__).read_text()
    comments = {
        getattr(module, constant): comment_text(comment)
        for comment, constant in COMMENT.findall(source)
    }
    for key, recipe in module.RECIPES.items():
        text, command = comments[recipe]
        parts += [f"## {key}", text, f"```sh\n{command}\n```"]
    return "\n\n".join(parts)


def comment_text(comment):
    """`(text, command)` of a recipe's comment; the command is indented."""
    lines = [line.removeprefix("#")[1:] for line in comment.splitlines()]
    command = [line[2:] for line in lines if line.startswith("  ")]
    text = " ".join(line for line in lines if not line.startswith("  "))
    return text, "\n".join(command).replace(
        "python train.py", "convmixer train"
    )
