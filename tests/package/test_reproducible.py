"""Two builds in folders of different names and depths, at different times, give the same bytes."""
import hashlib
import os
import shutil
import subprocess

from container import ROOT


def sums(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (folder / ".build" / "packages").glob("*.deb")}


def copy_tree(folder):
    """What git tracks or would track, as it stands in the work tree; all but builds where this is no clone."""
    if not (ROOT / ".git").exists():
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".build", "node_modules", "__pycache__"))
        return
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def test_the_same_bytes(tmp_path):
    other = tmp_path / "some" / "where" / "else"
    copy_tree(other)
    environment = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "USER": "somebody"}
    made = subprocess.run(["sh", "-c", "umask 077; exec ./dev deb"], cwd=other, env=environment, capture_output=True,
                          text=True, check=False)
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    ours = sums(ROOT)
    assert len(ours) >= 2 and sums(other) == ours
