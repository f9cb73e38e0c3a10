"""What the site adds to docs/: the pages of the root, and links that leave it.

MkDocs calls these (mkdocs.yml names this file). Pages of the root become pages of the site; a
link to a file of the source becomes the file's name, since a site has no source beside it.
"""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FROM_ROOT = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]\n]+)\]\((?P<to>[^)\s]+)\)")
# GitHub lets a list or a table follow a sentence at once; Python-Markdown wants an empty line.
JOINED = re.compile(r"^(?! |[-*|#<]|\d+\.)([^\n]+)\n(?=[-*] |1\. |\|)", re.MULTILINE)
FENCED = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)


def on_files(files, config):
    """The pages of the root, as if they lay in docs/."""
    from mkdocs.structure.files import File  # in .venv-site alone

    for name in FROM_ROOT:
        content = (ROOT / name).read_text("utf-8")
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """The page with each of its links to where the site has it, or without."""
    at = page.file.src_uri
    here = at if at in FROM_ROOT else f"docs/{at}"
    known = set(files.src_uris)
    parts = FENCED.split(markdown)
    for place in range(0, len(parts), 2):
        linked = LINK.sub(lambda found: placed(found, here, at, known), parts[place])
        parts[place] = JOINED.sub(r"\1\n\n", linked)
    return "".join(parts)


def placed(found, here, at, known):
    """One link of the page `here`, which the site knows as `at`."""
    text, to = found["text"], found["to"]
    if re.match(r"[a-z]+:|#", to):
        return found[0]
    path, hash_, anchor = to.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
    inside = target.removeprefix("docs/") if target not in FROM_ROOT else target
    for name in (inside, f"{inside}/README.md"):
        if name in known and (target in FROM_ROOT or target.startswith("docs/")):
            return (
                f"[{text}]({posixpath.relpath(name, posixpath.dirname(at) or '.')}{hash_}{anchor})"
            )
    return text if text.strip("`") == target else f"{text} (`{target}`)"
